/** The menu of a member: what my role lets me do with them, and the confirmation of what cannot be undone. */
import { useState } from "react";
import { Confirm } from "@/components/ui/dialog";
import { useName } from "@/components/ui/person";
import { Menu } from "@/components/ui/popover";
import { t } from "@/i18n/i18n";
import type { Member, Role } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { isMuted, type MemberManagement } from "../member-management";
import { isAtLeast } from "../message-actions";

interface MemberMenuProps {
  anchor: HTMLElement | null;
  isOpen: boolean;
  member: Member;
  manage: MemberManagement;
  onClose: () => void;
}

type Question = { title: string; text: string; action: string; onConfirm: () => void };

export default function MemberMenu({ anchor, isOpen, member, manage, onClose }: MemberMenuProps) {
  const { api } = useChat();
  const [question, setQuestion] = useState<Question | null>(null);
  const name = useName(member.userId);
  return (
    <>
      {isOpen && (
        <Menu
          anchor={anchor}
          label={name}
          items={memberActions({ member, name, manage, api, confirm: setQuestion })}
          onClose={onClose}
        />
      )}
      {question && <Confirm {...question} onClose={() => setQuestion(null)} />}
    </>
  );
}

const DAY_MS = 86_400_000;
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();

/** The actions that my role allows on this member. The server decides; this list only omits what it would refuse. */
function memberActions({
  member,
  name,
  manage: { roomId, role: mine, run },
  api,
  confirm,
}: {
  member: Member;
  name: string;
  manage: MemberManagement;
  api: ReturnType<typeof useChat>["api"];
  confirm: (question: Question) => void;
}) {
  const { userId, role } = member;
  const muted = isMuted(member);
  const isAdmin = isAtLeast(mine, "admin");
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
          title: t.people.makeOwnerTitle(name),
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
          title: t.people.removeTitle(name),
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
          title: t.people.banTitle(name),
          text: t.people.banText,
          action: t.people.ban,
          onConfirm: () => void run(() => api.ban(roomId, userId)),
        }),
    },
  ].filter((item) => item !== false);
}
