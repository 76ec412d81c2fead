import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, FormError } from "@/components/ui/field";
import { t } from "@/i18n/i18n";
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

const TYPES: RoomType[] = ["direct", "group"];

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
                onChange={() => setType(choice)}
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
        <Field
          label={type === "direct" ? t.newChat.userId : t.newChat.userIds}
          hint={type === "direct" ? t.newChat.directHint : t.newChat.groupHint}
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
function readRequest(type: RoomType, name: string, people: string, me: string): NewRoom | string {
  if (type === "direct") {
    const other = people.trim();
    if (other === "") return t.newChat.whom;
    if (other === me) return t.newChat.isYou;
    return { type, participantIds: [me, other] };
  }
  if (name.trim() === "") return t.newChat.needsName;
  const others = people.split(/[\s,;]+/).filter(Boolean);
  return { type, name: name.trim(), participantIds: [...new Set([me, ...others])] };
}
