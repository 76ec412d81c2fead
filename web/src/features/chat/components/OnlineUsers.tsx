/** The members of a room, online ones first, and what my role lets me do with each of them. */

import { useState } from "react";
import { Avatar } from "@/components/ui/avatar";
import { Button } from "@/components/ui/button";
import { EllipsisIcon } from "@/components/ui/icons";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { useName } from "@/components/ui/person";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import type { Member } from "@/lib/protocol";
import { isMuted, type MemberManagement, mayModerate } from "../member-management";
import { PersonButton } from "./PersonButton";

/** Loaded when it is opened for the first time. */
const MemberMenu = lazyWithRetry(() => import("./MemberMenu"), true);

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
  const absent = members.filter((member) => !online.includes(member.userId));
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
      {(absent.length > 0 || more > 0) && (
        <section aria-label={t.people.absent}>
          <h2 className={heading}>
            {(isConnected ? t.people.absentCount : t.people.memberCount)(absent.length + Math.max(0, more))}
          </h2>
          <ul>{absent.map((member) => row(member.userId, false))}</ul>
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

function Person({ userId, member, isMe, isOnline, manage }: PersonProps) {
  const [button, setButton] = useState<HTMLButtonElement | null>(null);
  const [open, setOpen] = useState(false);
  const [isUsed, setUsed] = useState(false);
  const name = useName(userId);
  const canManage = manage !== null && member !== undefined && !isMe && mayModerate(manage.role, member.role);
  return (
    <div className="group/person flex items-center gap-2.5 rounded-lg px-2 py-1.5">
      <Avatar id={userId} size="sm" online={isOnline} />
      <span className={cn("flex min-w-0 flex-1 gap-1", !isOnline && "text-muted-foreground")}>
        <PersonButton
          userId={userId}
          role={member?.role}
          isOnline={isOnline}
          className="truncate hover:underline"
        >
          <bdi>{name}</bdi>
        </PersonButton>
        {isMe && <span className="shrink-0 text-muted-foreground">{t.people.you}</span>}
      </span>
      {manage && member && member.role !== "member" && (
        <span className="rounded-full bg-muted px-2 py-0.5 text-[0.6875rem] text-muted-foreground capitalize">
          {t.people.roles[member.role]}
        </span>
      )}
      {isMuted(member) && (
        <span className="rounded-full bg-warning px-2 py-0.5 text-[0.6875rem] text-warning-foreground">
          {t.people.muted}
        </span>
      )}
      {canManage && (
        <Button
          ref={setButton}
          variant="ghost"
          size="iconSm"
          className="-my-1"
          aria-label={t.people.manage(name)}
          aria-haspopup="menu"
          aria-expanded={open}
          onClick={() => {
            setUsed(true);
            setOpen(!open);
          }}
        >
          <EllipsisIcon className="size-4.5" />
        </Button>
      )}
      {canManage && isUsed && (
        <MemberMenu
          anchor={button}
          isOpen={open}
          member={member}
          manage={manage}
          onClose={() => setOpen(false)}
        />
      )}
    </div>
  );
}
