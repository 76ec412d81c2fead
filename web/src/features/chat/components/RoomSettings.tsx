import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/dialog";
import { Field } from "@/components/ui/field";
import { formatDuration } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import type { RoomPatch } from "@/lib/api";
import type { Room } from "@/lib/protocol";
import { useChat } from "../chat-context";
import type { MemberManagement } from "../member-management";
import { isAtLeast } from "../message-actions";
import type { ChatRoomHandle } from "../use-chat-room";
import { AuditDialog } from "./AuditDialog";

interface RoomSettingsProps {
  room: ChatRoomHandle;
  details: Room;
  run: MemberManagement["run"];
  onLeft: (() => void) | undefined;
}

/** What is about to be confirmed. */
type Exit = "leave" | "delete" | "archive" | null;

function confirmation(exit: NonNullable<Exit>) {
  const { roomSettings: texts } = t;
  return {
    leave: { title: texts.leaveTitle, text: texts.leaveText, action: texts.leave },
    archive: { title: texts.archiveTitle, text: texts.archiveText, action: texts.archive },
    delete: { title: texts.deleteTitle, text: texts.deleteText, action: t.common.delete },
  }[exit];
}

/** The settings of a group that my role may change, and how to leave, archive or delete it. */
export default function RoomSettings({ room, details, run, onLeft }: RoomSettingsProps) {
  const { api } = useChat();
  const [exit, setExit] = useState<Exit>(null);
  const [auditing, setAuditing] = useState(false);
  const { roomId } = room.client;
  const isAdmin = isAtLeast(room.role, "admin");
  const change = (what: RoomPatch) => run(() => api.updateRoom(roomId, what));
  const carryOut = async (action: NonNullable<Exit>) => {
    if (action === "archive") return void change({ archived: true });
    const done = await run(() => (action === "leave" ? api.leave(roomId) : api.deleteRoom(roomId)));
    if (done) onLeft?.();
  };
  return (
    <section aria-label={t.roomSettings.label} className="space-y-3 px-2 text-sm">
      {isAdmin && <NameAndTopic key={`${details.name} ${details.topic}`} details={details} change={change} />}
      {isAdmin && <Choices details={details} change={change} />}
      {isAtLeast(room.role, "moderator") && (
        <Choice
          label={t.roomSettings.slowMode}
          value={String(details.slowModeS)}
          options={slowModes(details.slowModeS)}
          onChange={(seconds) => void run(() => api.setSlowMode(roomId, Number(seconds)))}
        />
      )}
      <div className="flex flex-wrap gap-2">
        {isAtLeast(room.role, "moderator") && (
          <Button size="sm" variant="outline" onClick={() => setAuditing(true)}>
            {t.roomSettings.auditLog}
          </Button>
        )}
        <Button size="sm" variant="outline" onClick={() => setExit("leave")}>
          {t.roomSettings.leave}
        </Button>
        {isAdmin &&
          (details.archived ? (
            <Button size="sm" variant="outline" onClick={() => void change({ archived: false })}>
              {t.roomSettings.unarchive}
            </Button>
          ) : (
            <Button size="sm" variant="outline" onClick={() => setExit("archive")}>
              {t.roomSettings.archive}
            </Button>
          ))}
        {room.role === "owner" && (
          <Button size="sm" variant="outline" className="text-destructive" onClick={() => setExit("delete")}>
            {t.common.delete}
          </Button>
        )}
      </div>
      {auditing && <AuditDialog roomId={roomId} onClose={() => setAuditing(false)} />}
      {exit && (
        <Confirm
          {...confirmation(exit)}
          onConfirm={() => void carryOut(exit)}
          onClose={() => setExit(null)}
        />
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
      <Field
        label={t.roomSettings.name}
        value={name}
        maxLength={100}
        onChange={(event) => setName(event.target.value)}
      />
      <Field
        label={t.roomSettings.topic}
        value={topic}
        maxLength={250}
        onChange={(event) => setTopic(event.target.value)}
      />
      {isChanged && (
        <Button type="submit" size="sm" disabled={name.trim() === ""}>
          {t.common.save}
        </Button>
      )}
    </form>
  );
}

function Choices({ details, change }: PartProps) {
  return (
    <>
      <Choice
        label={t.roomSettings.historyVisibility}
        value={details.historyVisibility}
        options={{ all: t.roomSettings.historyAll, since_join: t.roomSettings.historySinceJoin }}
        onChange={(historyVisibility) => void change({ historyVisibility })}
      />
      <Choice
        label={t.roomSettings.roomMention}
        value={details.roomMention}
        options={{ all: t.roomSettings.everybody, admins: t.roomSettings.admins }}
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
        className="h-9 w-full rounded-lg border bg-background px-2 text-[1rem] sm:text-sm"
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

const SLOW_MODES_S = [0, 5, 15, 30, 60, 300, 900, 3_600];
const slowText = (seconds: number) => (seconds === 0 ? t.roomSettings.noLimit : formatDuration(seconds));

/** The usual intervals, and the current one if it is different. Numeric keys keep their numeric order. */
const slowModes = (now: number): Record<string, string> =>
  Object.fromEntries(
    [...new Set([...SLOW_MODES_S, now])].map((seconds) => [String(seconds), slowText(seconds)]),
  );
