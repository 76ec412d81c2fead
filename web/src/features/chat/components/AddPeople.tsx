import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { useChat } from "../chat-context";
import type { Manage } from "./OnlineUsers";

export function AddPeople({ roomId, run }: Pick<Manage, "roomId" | "run">) {
  const { api } = useChat();
  const [people, setPeople] = useState("");
  const [busy, setBusy] = useState(false);
  const userIds = [...new Set(people.split(/[\s,;]+/).filter(Boolean))];
  return (
    <form
      aria-label="Add people"
      className="space-y-2 px-2"
      onSubmit={async (event) => {
        event.preventDefault();
        setBusy(true);
        if (await run(() => api.addMembers(roomId, userIds))) setPeople("");
        setBusy(false);
      }}
    >
      <Field
        label="Add people"
        placeholder="User ids"
        value={people}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        onChange={(event) => setPeople(event.target.value)}
      />
      <Button type="submit" size="sm" variant="outline" disabled={busy || userIds.length === 0}>
        Add
      </Button>
    </form>
  );
}
