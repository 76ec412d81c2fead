import { Avatar } from "@/components/ui/avatar";
import { cn } from "@/lib/cn";
import type { Member } from "@/lib/protocol";

interface OnlineUsersProps {
  users: string[];
  members: Member[];
  memberCount: number;
  me: string;
  /** What is known about presence is only true while connected. */
  isConnected: boolean;
}

/** Who is in the room now, and who else belongs to it. */
export function OnlineUsers({ users, members, memberCount, me, isConnected }: OnlineUsersProps) {
  const online = isConnected ? users : [];
  const away = members.filter((member) => !online.includes(member.userId));
  const more = memberCount - members.length;
  const role = new Map(members.map((member) => [member.userId, member.role]));
  const row = (userId: string, isOnline: boolean) => (
    <li key={userId} className="flex items-center gap-2.5 rounded-lg px-2 py-1.5">
      <Avatar id={userId} size="sm" online={isOnline} />
      <span className={cn("flex min-w-0 flex-1 gap-1", !isOnline && "text-muted-foreground")}>
        <bdi className="truncate" title={userId}>
          {userId}
        </bdi>
        {userId === me && <span className="shrink-0 text-muted-foreground">(you)</span>}
      </span>
      {role.has(userId) && role.get(userId) !== "member" && (
        <span className="rounded-full bg-muted px-2 py-0.5 text-[11px] text-muted-foreground capitalize">
          {role.get(userId)}
        </span>
      )}
    </li>
  );
  return (
    <div className="space-y-5 text-sm">
      <section aria-label="Online">
        <h3 className="mb-1 px-2 font-medium text-muted-foreground text-xs">
          {isConnected ? `Online · ${online.length}` : "Presence is unknown while disconnected"}
        </h3>
        <ul data-testid="online">{online.map((userId) => row(userId, true))}</ul>
      </section>
      {(away.length > 0 || more > 0) && (
        <section aria-label="Away">
          <h3 className="mb-1 px-2 font-medium text-muted-foreground text-xs">
            {isConnected ? "Away" : "Members"} · {away.length + more}
          </h3>
          <ul>{away.map((member) => row(member.userId, false))}</ul>
          {more > 0 && <p className="px-2 pt-1 text-muted-foreground text-xs">and {more} more</p>}
        </section>
      )}
    </div>
  );
}
