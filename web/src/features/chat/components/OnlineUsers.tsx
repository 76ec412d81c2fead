/** Who is in the room now, who else belongs to it, and (for those who may) what can be done about it. */
import { useState } from "react";
import { Avatar } from "@/components/ui/avatar";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/dialog";
import { MoreIcon } from "@/components/ui/icons";
import { Menu } from "@/components/ui/popover";
import { cn } from "@/lib/cn";
import type { Member, Role } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { isAtLeast } from "../message-actions";

export interface Manage {
  roomId: string;
  /** Mine. */
  role: Role | null;
  run: (work: () => Promise<unknown>) => Promise<boolean>;
}

interface OnlineUsersProps {
  users: string[];
  members: Member[];
  memberCount: number;
  me: string;
  /** What is known about presence is only true while connected. */
  isConnected: boolean;
  manage?: Manage | null;
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
      <section aria-label="Online">
        <h2 className={heading}>
          {isConnected ? `Online · ${online.length}` : "Presence is unknown while disconnected"}
        </h2>
        <ul data-testid="online">{online.map((userId) => row(userId, true))}</ul>
      </section>
      {(away.length > 0 || more > 0) && (
        <section aria-label="Away">
          <h2 className={heading}>
            {isConnected ? "Away" : "Members"} · {away.length + Math.max(0, more)}
          </h2>
          <ul>{away.map((member) => row(member.userId, false))}</ul>
          {more > 0 && <p className="px-2 pt-1 text-muted-foreground text-xs">and {more} more</p>}
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
  manage: Manage | null;
}

type Question = { title: string; text: string; action: string; act: () => void };

function Person({ userId, member, isMe, isOnline, manage }: PersonProps) {
  const { api } = useChat();
  const [button, setButton] = useState<HTMLButtonElement | null>(null);
  const [open, setOpen] = useState(false);
  const [question, setQuestion] = useState<Question | null>(null);
  const acts = manage && member && !isMe ? memberActions(member, manage, api, setQuestion) : [];
  return (
    <div className="group/person flex items-center gap-2.5 rounded-lg px-2 py-1.5">
      <Avatar id={userId} size="sm" online={isOnline} />
      <span className={cn("flex min-w-0 flex-1 gap-1", !isOnline && "text-muted-foreground")}>
        <bdi className="truncate" title={userId}>
          {userId}
        </bdi>
        {isMe && <span className="shrink-0 text-muted-foreground">(you)</span>}
      </span>
      {manage && member && member.role !== "member" && (
        <span className="rounded-full bg-muted px-2 py-0.5 text-[11px] text-muted-foreground capitalize">
          {member.role}
        </span>
      )}
      {isMuted(member) && (
        <span className="rounded-full bg-warning px-2 py-0.5 text-[11px] text-warning-foreground">Muted</span>
      )}
      {acts.length > 0 && (
        <Button
          ref={setButton}
          variant="ghost"
          size="icon"
          className="-my-1 size-7"
          aria-label={`Manage ${userId}`}
          aria-haspopup="menu"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          <MoreIcon className="size-4.5" />
        </Button>
      )}
      {open && <Menu anchor={button} label={userId} items={acts} onClose={() => setOpen(false)} />}
      {question && <Confirm {...question} onConfirm={question.act} onClose={() => setQuestion(null)} />}
    </div>
  );
}

const isMuted = (member: Member | undefined): boolean =>
  member?.mutedUntil !== undefined && Date.parse(member.mutedUntil) > Date.now();

const DAY_MS = 86_400_000;
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();

/** What my role lets me do with somebody of theirs; the server decides, this only leaves out what it would refuse. */
function memberActions(
  member: Member,
  { roomId, role: mine, run }: Manage,
  api: ReturnType<typeof useChat>["api"],
  ask: (question: Question) => void,
) {
  const { userId, role } = member;
  const muted = isMuted(member);
  const isAdmin = isAtLeast(mine, "admin");
  const isAbove = mine === "owner" || (isAtLeast(mine, role) && mine !== role);
  if (!isAbove || !isAtLeast(mine, "moderator")) return [];
  const roles: Role[] = ["admin", "moderator", "member"];
  const mayGive = (one: Role) => mine === "owner" || one === "moderator" || one === "member";
  return [
    ...(isAdmin ? roles.filter((one) => one !== role && mayGive(one)) : []).map((one) => ({
      label: `Make ${one}`,
      onSelect: () => void run(() => api.setRole(roomId, userId, one)),
    })),
    mine === "owner" && {
      label: "Make owner",
      onSelect: () =>
        ask({
          title: `Make ${userId} the owner?`,
          text: "The conversation is theirs then, and you become an admin of it.",
          action: "Hand over",
          act: () => void run(() => api.setRole(roomId, userId, "owner")),
        }),
    },
    !muted && {
      label: "Mute for an hour",
      onSelect: () => void run(() => api.mute(roomId, userId, inMs(3_600_000))),
    },
    !muted && {
      label: "Mute for a day",
      onSelect: () => void run(() => api.mute(roomId, userId, inMs(DAY_MS))),
    },
    muted && { label: "Unmute", onSelect: () => void run(() => api.unmute(roomId, userId)) },
    isAdmin && {
      label: "Remove",
      danger: true,
      onSelect: () =>
        ask({
          title: `Remove ${userId}?`,
          text: "They no longer see this conversation. They can be added again.",
          action: "Remove",
          act: () => void run(() => api.removeMember(roomId, userId)),
        }),
    },
    {
      label: "Ban",
      danger: true,
      onSelect: () =>
        ask({
          title: `Ban ${userId}?`,
          text: "They are removed, and can't be added again until the ban is lifted.",
          action: "Ban",
          act: () => void run(() => api.ban(roomId, userId)),
        }),
    },
  ].filter((item) => item !== false);
}
