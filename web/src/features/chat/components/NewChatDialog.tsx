import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, FormError } from "@/components/ui/field";
import type { NewRoom } from "@/lib/api";
import { cn } from "@/lib/cn";
import type { Room, RoomType } from "@/lib/protocol";
import { errorText } from "../explain";

interface NewChatDialogProps {
  me: string;
  onCreate: (room: NewRoom) => Promise<Room>;
  onCreated: (room: Room) => void;
  onClose: () => void;
}

const KINDS: { type: RoomType; label: string }[] = [
  { type: "direct", label: "Direct message" },
  { type: "group", label: "Group" },
];

export default function NewChatDialog({ me, onCreate, onCreated, onClose }: NewChatDialogProps) {
  const [type, setType] = useState<RoomType>("direct");
  const [name, setName] = useState("");
  const [people, setPeople] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const submit = async () => {
    const request = readRequest(type, name, people, me);
    if (typeof request === "string") return setError(request);
    setBusy(true);
    try {
      onCreated(await onCreate(request));
    } catch (failure) {
      setError(errorText(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog title="New conversation" onClose={onClose}>
      <form
        className="space-y-5"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <fieldset className="grid grid-cols-2 gap-1 rounded-xl bg-muted p-1">
          <legend className="sr-only">Kind</legend>
          {KINDS.map((kind) => (
            <label
              key={kind.type}
              className={cn(
                "cursor-pointer rounded-lg py-1.5 text-center font-medium text-sm has-focus-visible:outline-2 has-focus-visible:outline-ring",
                type === kind.type ? "bg-card shadow-xs" : "text-muted-foreground",
              )}
            >
              <input
                type="radio"
                name="kind"
                className="sr-only"
                checked={type === kind.type}
                onChange={() => setType(kind.type)}
              />
              {kind.label}
            </label>
          ))}
        </fieldset>
        {type === "group" && (
          <Field
            label="Name"
            value={name}
            maxLength={100}
            autoComplete="off"
            onChange={(event) => setName(event.target.value)}
          />
        )}
        <Field
          label={type === "direct" ? "User id" : "User ids"}
          hint={
            type === "direct"
              ? "The person you want to write to."
              : "Separated by commas or spaces. You are in it anyway."
          }
          value={people}
          data-autofocus
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          onChange={(event) => setPeople(event.target.value)}
        />
        <FormError>{error}</FormError>
        <div className="flex justify-end gap-2">
          <Button variant="outline" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" disabled={busy}>
            {busy ? "Starting…" : "Start"}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** What to ask the server for, or what is wrong with what was typed. */
function readRequest(type: RoomType, name: string, people: string, me: string): NewRoom | string {
  if (type === "direct") {
    const other = people.trim();
    if (other === "") return "Whom do you want to write to?";
    if (other === me) return "That is you. A direct message needs somebody else.";
    return { type, participantIds: [me, other] };
  }
  if (name.trim() === "") return "A group needs a name.";
  const others = people.split(/[\s,;]+/).filter(Boolean);
  return { type, name: name.trim(), participantIds: [...new Set([me, ...others])] };
}
