/** The dialogs of a room: confirm the deletion of a message, report it, show its earlier versions; ask for a date. */

import { useCallback, useState } from "react";
import { Button } from "@/components/ui/button";
import { Confirm, Dialog } from "@/components/ui/dialog";
import { FormError, TextAreaField } from "@/components/ui/field";
import { PersonName } from "@/components/ui/person";
import { RichText } from "@/components/ui/rich-text";
import { fill } from "@/i18n/fill";
import { formatDateTime } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import type { MessageVersion } from "@/lib/protocol";
import type { ChatMessage } from "@/lib/room-view";
import { useChat } from "../chat-context";
import { errorText } from "../explain";
import type { DialogRequest } from "../panels";
import { DateDialog } from "./DateDialog";
import { MessageWho } from "./MessageWho";
import { PagedDialog } from "./PagedDialog";

interface MessageDialogsProps {
  roomId: string;
  readMarkers: Record<string, number>;
  request: NonNullable<DialogRequest>;
  onClose: () => void;
  onDelete: (messageId: string) => void;
  onGoTo: (seq: number) => void;
  onToast: (text: string) => void;
}

export default function MessageDialogs(props: MessageDialogsProps) {
  const { roomId, request, onClose, onDelete, onGoTo, onToast } = props;
  if (request.kind === "date")
    return <DateDialog roomId={roomId} from={request.from} onGo={onGoTo} onClose={onClose} />;
  const { kind, message } = request;
  if (kind === "report")
    return <Report roomId={roomId} message={message} onClose={onClose} onToast={onToast} />;
  if (kind === "versions") return <Versions roomId={roomId} message={message} onClose={onClose} />;
  if (kind === "who") {
    const { readMarkers } = props;
    return <MessageWho roomId={roomId} message={message} readMarkers={readMarkers} onClose={onClose} />;
  }
  return (
    <Confirm
      title={t.messageDialogs.deleteTitle}
      text={t.messageDialogs.deleteText}
      action={t.common.delete}
      onConfirm={() => onDelete(message.id)}
      onClose={onClose}
    />
  );
}

function Versions({ roomId, message, onClose }: Omit<ReportProps, "onToast">) {
  const { api, userId } = useChat();
  const { id } = message;
  const load = useCallback(
    async (before?: string) => {
      const { versions, hasMoreBefore } = await api.versions(roomId, id, before);
      const oldest = hasMoreBefore && versions[0] ? String(versions[0].version) : null;
      return { items: versions.toReversed(), nextCursor: oldest };
    },
    [api, roomId, id],
  );
  return (
    <PagedDialog<MessageVersion>
      title={t.messageDialogs.versions}
      empty={t.messageDialogs.noVersions}
      load={load}
      onClose={onClose}
    >
      {({ version, content, editedAt, editedBy }) => (
        <li key={version} className="border-b py-2 last:border-0 [overflow-wrap:anywhere]">
          <p className="mb-1 text-[0.6875rem] text-muted-foreground">
            {versionLabel(message, { version, editedAt, editedBy })}
          </p>
          <div dir="auto">
            <RichText text={content} me={userId} />
          </div>
        </li>
      )}
    </PagedDialog>
  );
}

/** When the version was written, and by whom if it was not the author. */
function versionLabel(
  { userId }: ChatMessage,
  { version, editedAt, editedBy }: Pick<MessageVersion, "version" | "editedAt" | "editedBy">,
) {
  if (version === 1 || editedAt === null) return t.messageDialogs.firstVersion;
  if (editedBy === null || editedBy === userId) return t.messageDialogs.changed(formatDateTime(editedAt));
  return fill(t.messageDialogs.changedBy, formatDateTime(editedAt), <PersonName id={editedBy} />);
}

interface ReportProps {
  roomId: string;
  message: ChatMessage;
  onClose: () => void;
  onToast: (text: string) => void;
}

function Report({ roomId, message, onClose, onToast }: ReportProps) {
  const { reports } = useChat();
  const [reason, setReason] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    try {
      await reports.report(roomId, message.id, reason.trim());
      onToast(t.messageDialogs.reported);
      onClose();
    } catch (failure) {
      setError(errorText(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog title={t.messageDialogs.reportTitle} onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <TextAreaField
          label={t.messageDialogs.reportReason}
          rows={3}
          required
          maxLength={500}
          data-autofocus
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
        <FormError>{error}</FormError>
        <div className="flex justify-end gap-2">
          <Button variant="outline" onClick={onClose}>
            {t.common.cancel}
          </Button>
          <Button type="submit" disabled={busy || reason.trim() === ""}>
            {t.common.report}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
