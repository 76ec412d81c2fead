import { useState } from "react";
import { Button } from "@/components/ui/button";
import { t } from "@/i18n/i18n";
import { useChat } from "../chat-context";
import type { MemberManagement } from "../member-management";
import { PeoplePicker } from "./PeoplePicker";

interface AddPeopleProps extends Pick<MemberManagement, "roomId" | "run"> {
  members: string[];
}

export default function AddPeople({ roomId, run, members }: AddPeopleProps) {
  const { api } = useChat();
  const [people, setPeople] = useState<string[]>([]);
  const [busy, setBusy] = useState(false);
  return (
    <form
      aria-label={t.people.addPeople}
      className="space-y-2 px-2"
      onSubmit={async (event) => {
        event.preventDefault();
        setBusy(true);
        if (await run(() => api.addMembers(roomId, people))) setPeople([]);
        setBusy(false);
      }}
    >
      <PeoplePicker label={t.people.addPeople} chosen={people} onChange={setPeople} exclude={members} />
      <Button type="submit" size="sm" variant="outline" disabled={busy || people.length === 0}>
        {t.people.add}
      </Button>
    </form>
  );
}
