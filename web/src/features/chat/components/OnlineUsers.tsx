/** The members of a room, online ones first, and what my role lets me do with each of them. */

import { useState } from "react";
import { Avatar } from "@/components/ui/avatar";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/dialog";
import { EllipsisIcon } from "@/components/ui/icons";
import { Menu } from "@/components/ui/popover";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import type { Member, Role } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { isAtLeast } from "../message-actions";

/** What the member actions need. */
export interface MemberManagement {
  roomId: string;
  /** My own role. */
  role: Role | null;
  run: (work: () => Promise<unknown>) => Promise<boolean>;
}

interface OnlineUsersProps {
  users: string[];
  members: Member[];
  memberCount: number;
  me: string;
  /** Presence is only known while connected. */
  isConnected: boolean;
  manage?: MemberManagement | null;
}

export function OnlineUsers({ users, members, memberCount, me, isConnected, manage }: OnlineUsersProps) {
  const online = isConnected ? users : [];
  const away = members.filter((member) => !online.includes(member.userId));
  const more = memberCount - members.length;
  const known = new Map(members.map((member) => [member.userId, member]));
  const row = (userId: string, isOnline: boolean) => (
    <li key={userId}>
      <Person
        userId={userId}
        member={known.get(userId)}
        isMe={userId === me}
        isOnline={isOnline}
        manage={manage ?? null}
      />
    </li>
  );
  const heading = "mb-1 px-2 font-medium text-muted-foreground text-xs";
  return (
    <div className="space-y-5 text-sm">
      <section aria-label={t.people.online}>
        <h2 className={heading}>
          {isConnected ? t.people.onlineCount(online.length) : t.people.presenceUnknown}
        </h2>
        <ul data-testid="online">{online.map((userId) => row(userId, true))}</ul>
      </section>
      {(away.length > 0 || more > 0) && (
        <section aria-label={t.people.away}>
          <h2 className={heading}>
            {(isConnected ? t.people.awayCount : t.people.memberCount)(away.length + Math.max(0, more))}
          </h2>
          <ul>{away.map((member) => row(member.userId, false))}</ul>
          {more > 0 && <p className="px-2 pt-1 text-muted-foreground text-xs">{t.people.andMore(more)}</p>}
        </section>
      )}
    </div>
  );
}

interface PersonProps {
  userId: string;
  member: Member | undefined;
  isMe: boolean;
  isOnline: boolean;
  manage: MemberManagement | null;
}

type Question = { title: string; text: string; action: string; onConfirm: () => void };

function Person({ userId, member, isMe, isOnline, manage }: PersonProps) {
  const { api } = useChat();
  const [button, setButton] = useState<HTMLButtonElement | null>(null);
  const [open, setOpen] = useState(false);
  const [question, setQuestion] = useState<Question | null>(null);
  const actions = manage && member && !isMe ? memberActions(member, manage, api, setQuestion) : [];
  return (
    <div className="group/person flex items-center gap-2.5 rounded-lg px-2 py-1.5">
      <Avatar id={userId} size="sm" online={isOnline} />
      <span className={cn("flex min-w-0 flex-1 gap-1", !isOnline && "text-muted-foreground")}>
        <bdi className="truncate" title={userId}>
          {userId}
        </bdi>
        {isMe && <span className="shrink-0 text-muted-foreground">{t.people.you}</span>}
      </span>
      {manage && member && member.role !== "member" && (
        <span className="rounded-full bg-muted px-2 py-0.5 text-[11px] text-muted-foreground capitalize">
          {t.people.roles[member.role]}
        </span>
      )}
      {isMuted(member) && (
        <span className="rounded-full bg-warning px-2 py-0.5 text-[11px] text-warning-foreground">
          {t.people.muted}
        </span>
      )}
      {actions.length > 0 && (
        <Button
          ref={setButton}
          variant="ghost"
          size="iconSm"
          className="-my-1"
          aria-label={t.people.manage(userId)}
          aria-haspopup="menu"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          <EllipsisIcon className="size-4.5" />
        </Button>
      )}
      {open && <Menu anchor={button} label={userId} items={actions} onClose={() => setOpen(false)} />}
      {question && <Confirm {...question} onClose={() => setQuestion(null)} />}
    </div>
  );
}

const isMuted = (member: Member | undefined): boolean =>
  member?.mutedUntil !== undefined && Date.parse(member.mutedUntil) > Date.now();

const DAY_MS = 86_400_000;
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();

/** The actions that my role allows on this member. The server decides; this list only omits what it would refuse. */
function memberActions(
  member: Member,
  { roomId, role: mine, run }: MemberManagement,
  api: ReturnType<typeof useChat>["api"],
  confirm: (question: Question) => void,
) {
  const { userId, role } = member;
  const muted = isMuted(member);
  const isAdmin = isAtLeast(mine, "admin");
  const isAbove = mine === "owner" || (isAtLeast(mine, role) && mine !== role);
  if (!isAbove || !isAtLeast(mine, "moderator")) return [];
  const roles = ["admin", "moderator", "member"] as const;
  const mayGive = (given: Role) => mine === "owner" || given === "moderator" || given === "member";
  return [
    ...(isAdmin ? roles.filter((given) => given !== role && mayGive(given)) : []).map((given) => ({
      label: t.people.make[given],
      onSelect: () => void run(() => api.setRole(roomId, userId, given)),
    })),
    mine === "owner" && {
      label: t.people.makeOwner,
      onSelect: () =>
        confirm({
          title: t.people.makeOwnerTitle(userId),
          text: t.people.makeOwnerText,
          action: t.people.handOver,
          onConfirm: () => void run(() => api.setRole(roomId, userId, "owner")),
        }),
    },
    !muted && {
      label: t.people.muteHour,
      onSelect: () => void run(() => api.mute(roomId, userId, inMs(3_600_000))),
    },
    !muted && {
      label: t.people.muteDay,
      onSelect: () => void run(() => api.mute(roomId, userId, inMs(DAY_MS))),
    },
    muted && { label: t.people.unmute, onSelect: () => void run(() => api.unmute(roomId, userId)) },
    isAdmin && {
      label: t.people.remove,
      danger: true,
      onSelect: () =>
        confirm({
          title: t.people.removeTitle(userId),
          text: t.people.removeText,
          action: t.people.remove,
          onConfirm: () => void run(() => api.removeMember(roomId, userId)),
        }),
    },
    {
      label: t.people.ban,
      danger: true,
      onSelect: () =>
        confirm({
          title: t.people.banTitle(userId),
          text: t.people.banText,
          action: t.people.ban,
          onConfirm: () => void run(() => api.ban(roomId, userId)),
        }),
    },
  ].filter((item) => item !== false);
}
