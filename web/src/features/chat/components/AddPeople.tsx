import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { t } from "@/i18n/i18n";
import { useChat } from "../chat-context";
import type { MemberManagement } from "../member-management";

export default function AddPeople({ roomId, run }: Pick<MemberManagement, "roomId" | "run">) {
  const { api } = useChat();
  const [people, setPeople] = useState("");
  const [busy, setBusy] = useState(false);
  const userIds = [...new Set(people.split(/[\s,;]+/).filter(Boolean))];
  return (
    <form
      aria-label={t.people.addPeople}
      className="space-y-2 px-2"
      onSubmit={async (event) => {
        event.preventDefault();
        setBusy(true);
        if (await run(() => api.addMembers(roomId, userIds))) setPeople("");
        setBusy(false);
      }}
    >
      <Field
        label={t.people.addPeople}
        placeholder={t.people.userIds}
        value={people}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        onChange={(event) => setPeople(event.target.value)}
      />
      <Button type="submit" size="sm" variant="outline" disabled={busy || userIds.length === 0}>
        {t.people.add}
      </Button>
    </form>
  );
}
