import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, FormError } from "@/components/ui/field";
import { t } from "@/i18n/i18n";
import type { NewRoom } from "@/lib/api";
import { cn } from "@/lib/cn";
import type { Room, RoomType } from "@/lib/protocol";
import { errorText } from "../explain";
import { PeoplePicker } from "./PeoplePicker";

interface NewChatDialogProps {
  me: string;
  onCreate: (room: NewRoom) => Promise<Room>;
  onCreated: (room: Room) => void;
  onClose: () => void;
}

const TYPES: RoomType[] = ["direct", "group"];

export default function NewChatDialog({ me, onCreate, onCreated, onClose }: NewChatDialogProps) {
  const [type, setType] = useState<RoomType>("direct");
  const [name, setName] = useState("");
  const [people, setPeople] = useState<string[]>([]);
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
    <Dialog title={t.newChat.title} onClose={onClose}>
      <form
        className="space-y-5"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <fieldset className="grid grid-cols-2 gap-1 rounded-xl bg-muted p-1">
          <legend className="sr-only">{t.newChat.kind}</legend>
          {TYPES.map((choice) => (
            <label
              key={choice}
              className={cn(
                "cursor-pointer rounded-lg py-1.5 text-center font-medium text-sm has-focus-visible:outline-2 has-focus-visible:outline-ring",
                type === choice ? "bg-card shadow-xs" : "text-muted-foreground",
              )}
            >
              <input
                type="radio"
                name="kind"
                className="sr-only"
                checked={type === choice}
                onChange={() => {
                  setType(choice);
                  if (choice === "direct") setPeople(people.slice(0, 1));
                }}
              />
              {t.newChat[choice]}
            </label>
          ))}
        </fieldset>
        {type === "group" && (
          <Field
            label={t.newChat.name}
            value={name}
            maxLength={100}
            autoComplete="off"
            onChange={(event) => setName(event.target.value)}
          />
        )}
        <PeoplePicker
          key={type}
          label={type === "direct" ? t.newChat.person : t.newChat.people}
          chosen={people}
          onChange={(next) => {
            setError(null);
            setPeople(next);
          }}
          exclude={[me]}
          isSingle={type === "direct"}
          autoFocus
        />
        <FormError>{error}</FormError>
        <div className="flex justify-end gap-2">
          <Button variant="outline" onClick={onClose}>
            {t.common.cancel}
          </Button>
          <Button type="submit" disabled={busy}>
            {busy ? t.newChat.starting : t.newChat.start}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** The request for the server, or the text that says what is wrong with the input. */
function readRequest(type: RoomType, name: string, people: string[], me: string): NewRoom | string {
  const [first] = people;
  if (type === "direct") return first === undefined ? t.newChat.whom : { type, participantIds: [me, first] };
  if (name.trim() === "") return t.newChat.needsName;
  return { type, name: name.trim(), participantIds: [me, ...people] };
}
