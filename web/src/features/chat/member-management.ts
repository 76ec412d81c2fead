/** What a member's role and mute mean for those who look at the list of members. */
import type { Member, Role } from "@/lib/protocol";
import { isAtLeast } from "./message-actions";

/** What the member actions need. */
export interface MemberManagement {
  roomId: string;
  /** My own role. */
  role: Role | null;
  run: (work: () => Promise<unknown>) => Promise<boolean>;
}

/** Whether a moderator silenced the member, as far as the list of members says. */
export const isMuted = (member: Member | undefined): boolean =>
  member?.mutedUntil !== undefined && Date.parse(member.mutedUntil) > Date.now();

/** Whether somebody with the role `mine` may moderate somebody with the role `theirs`. */
export const mayModerate = (mine: Role | null, theirs: Role): boolean =>
  isAtLeast(mine, "moderator") && (mine === "owner" || (isAtLeast(mine, theirs) && mine !== theirs));
