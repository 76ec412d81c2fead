/** What is asked before a message is deleted or reported; what it said before it was changed. */
import { useCallback, useState } from "react";
import { Button } from "@/components/ui/button";
import { Confirm, Dialog } from "@/components/ui/dialog";
import { FormError, TextAreaField } from "@/components/ui/field";
import { RichText } from "@/components/ui/rich-text";
import type { MessageVersion } from "@/lib/protocol";
import type { ChatMessage } from "@/lib/room-view";
import { formatDateTime } from "@/lib/text";
import { useChat } from "../chat-context";
import { errorText } from "../explain";
import type { DialogRequest } from "../panels";
import { PagedDialog } from "./PagedDialog";

interface MessageDialogsProps {
  roomId: string;
  request: NonNullable<DialogRequest>;
  onClose: () => void;
  onDelete: (messageId: string) => void;
  onToast: (text: string) => void;
}

export default function MessageDialogs({ roomId, request, onClose, onDelete, onToast }: MessageDialogsProps) {
  const { kind, message } = request;
  if (kind === "report") return <Report {...{ roomId, message, onClose, onToast }} />;
  if (kind === "versions") return <Versions {...{ roomId, message, onClose }} />;
  return (
    <Confirm
      title="Delete this message?"
      text="Its text and files are gone for everybody, for good."
      action="Delete"
      onConfirm={() => onDelete(message.id)}
      onClose={onClose}
    />
  );
}

function Versions({ roomId, message, onClose }: Omit<ReportProps, "onToast">) {
  const { api, userId } = useChat();
  const { id } = message;
  const load = useCallback(async () => {
    const { versions } = await api.versions(roomId, id);
    return { items: versions.toReversed(), nextCursor: null };
  }, [api, roomId, id]);
  return (
    <PagedDialog<MessageVersion>
      title="Versions"
      empty="There is nothing left of it."
      load={load}
      onClose={onClose}
    >
      {({ version, content, editedAt, editedBy }) => (
        <li key={version} className="border-b py-2 last:border-0 [overflow-wrap:anywhere]">
          <p className="mb-1 text-[11px] text-muted-foreground">
            {version === 1 || editedAt === null
              ? "As it was first written"
              : `Changed ${formatDateTime(editedAt)}`}
            {editedBy !== null && editedBy !== message.userId && (
              <>
                {" by "}
                <bdi>{editedBy}</bdi>
              </>
            )}
          </p>
          <div dir="auto">
            <RichText text={content} me={userId} />
          </div>
        </li>
      )}
    </PagedDialog>
  );
}

interface ReportProps {
  roomId: string;
  message: ChatMessage;
  onClose: () => void;
  onToast: (text: string) => void;
}

function Report({ roomId, message, onClose, onToast }: ReportProps) {
  const { api } = useChat();
  const [reason, setReason] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    try {
      await api.report(roomId, message.id, reason.trim());
      onToast("Reported to the moderators.");
      onClose();
    } catch (failure) {
      setError(errorText(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog title="Report this message" onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <TextAreaField
          label="What is wrong with it?"
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
            Cancel
          </Button>
          <Button type="submit" disabled={busy || reason.trim() === ""}>
            Report
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
