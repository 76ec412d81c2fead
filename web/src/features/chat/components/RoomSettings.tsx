import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/dialog";
import { Field } from "@/components/ui/field";
import type { RoomPatch } from "@/lib/api";
import type { Room } from "@/lib/protocol";
import { formatDuration } from "@/lib/text";
import { useChat } from "../chat-context";
import { isAtLeast } from "../message-actions";
import type { ChatRoomHandle } from "../use-chat-room";
import { AuditDialog } from "./AuditDialog";
import type { Manage } from "./OnlineUsers";

interface RoomSettingsProps {
  room: ChatRoomHandle;
  details: Room;
  run: Manage["run"];
  onLeft: (() => void) | undefined;
}

type Leaving = "leave" | "delete" | "archive" | null;

const QUESTIONS = {
  leave: {
    title: "Leave this conversation?",
    text: "Somebody has to add you again to come back.",
    action: "Leave",
  },
  archive: {
    title: "Archive this conversation?",
    text: "Everybody can read it, nobody can write.",
    action: "Archive",
  },
  delete: {
    title: "Delete this conversation?",
    text: "Its messages and files are gone for everybody, for good.",
    action: "Delete",
  },
};

/** What owners and admins change of a group, and the ways out of it. */
export function RoomSettings({ room, details, run, onLeft }: RoomSettingsProps) {
  const { api } = useChat();
  const [asking, setAsking] = useState<Leaving>(null);
  const [auditing, setAuditing] = useState(false);
  if (details.type === "direct") return null;
  const { roomId } = room.client;
  const isAdmin = isAtLeast(room.role, "admin");
  const change = (what: RoomPatch) => run(() => api.updateRoom(roomId, what));
  const go = async (how: NonNullable<Leaving>) => {
    if (how === "archive") return void change({ archived: true });
    const done = await run(() => (how === "leave" ? api.leave(roomId) : api.deleteRoom(roomId)));
    if (done) onLeft?.();
  };
  return (
    <section aria-label="Conversation" className="space-y-3 px-2 text-sm">
      {isAdmin && <NameAndTopic key={`${details.name} ${details.topic}`} {...{ details, change }} />}
      {isAdmin && <Choices {...{ details, change }} />}
      {isAtLeast(room.role, "moderator") && (
        <Choice
          label="Slow mode: members may write once in"
          value={String(details.slowModeS)}
          options={slowModes(details.slowModeS)}
          onChange={(seconds) => void run(() => api.setSlowMode(roomId, Number(seconds)))}
        />
      )}
      <div className="flex flex-wrap gap-2">
        {isAtLeast(room.role, "moderator") && (
          <Button size="sm" variant="outline" onClick={() => setAuditing(true)}>
            Audit log
          </Button>
        )}
        <Button size="sm" variant="outline" onClick={() => setAsking("leave")}>
          Leave
        </Button>
        {isAdmin &&
          (details.archived ? (
            <Button size="sm" variant="outline" onClick={() => void change({ archived: false })}>
              Unarchive
            </Button>
          ) : (
            <Button size="sm" variant="outline" onClick={() => setAsking("archive")}>
              Archive
            </Button>
          ))}
        {room.role === "owner" && (
          <Button
            size="sm"
            variant="outline"
            className="text-destructive"
            onClick={() => setAsking("delete")}
          >
            Delete
          </Button>
        )}
      </div>
      {auditing && <AuditDialog roomId={roomId} onClose={() => setAuditing(false)} />}
      {asking && (
        <Confirm {...QUESTIONS[asking]} onConfirm={() => void go(asking)} onClose={() => setAsking(null)} />
      )}
    </section>
  );
}

interface PartProps {
  details: Room;
  change: (what: RoomPatch) => Promise<boolean>;
}

function NameAndTopic({ details, change }: PartProps) {
  const [name, setName] = useState(details.name ?? "");
  const [topic, setTopic] = useState(details.topic ?? "");
  const isChanged = name.trim() !== (details.name ?? "") || topic.trim() !== (details.topic ?? "");
  return (
    <form
      className="space-y-2"
      onSubmit={(event) => {
        event.preventDefault();
        void change({ name: name.trim(), topic: topic.trim() });
      }}
    >
      <Field label="Name" value={name} maxLength={100} onChange={(event) => setName(event.target.value)} />
      <Field label="Topic" value={topic} maxLength={250} onChange={(event) => setTopic(event.target.value)} />
      {isChanged && (
        <Button type="submit" size="sm" disabled={name.trim() === ""}>
          Save
        </Button>
      )}
    </form>
  );
}

function Choices({ details, change }: PartProps) {
  return (
    <>
      <Choice
        label="People who join later see"
        value={details.historyVisibility}
        options={{ all: "all of the history", since_join: "what comes after they join" }}
        onChange={(historyVisibility) => void change({ historyVisibility })}
      />
      <Choice
        label="@room may be used by"
        value={details.roomMention}
        options={{ all: "everybody", admins: "admins" }}
        onChange={(roomMention) => void change({ roomMention })}
      />
    </>
  );
}

interface ChoiceProps<Value extends string> {
  label: string;
  value: Value;
  options: Record<Value, string>;
  onChange: (value: Value) => void;
}

function Choice<Value extends string>({ label, value, options, onChange }: ChoiceProps<Value>) {
  return (
    <label className="block">
      <span className="mb-1.5 block font-medium">{label}</span>
      <select
        value={value}
        className="h-9 w-full rounded-lg border bg-background px-2 text-[16px] sm:text-sm"
        onChange={(event) => onChange(event.target.value as Value)}
      >
        {Object.entries<string>(options).map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

const SLOW = [0, 5, 15, 30, 60, 300, 900, 3_600];
const slowText = (seconds: number) => (seconds === 0 ? "no limit" : formatDuration(seconds));

/** The usual ones, and what is set if it is another. Keys that are numbers stand in their order. */
const slowModes = (now: number): Record<string, string> =>
  Object.fromEntries([...new Set([...SLOW, now])].map((seconds) => [String(seconds), slowText(seconds)]));
