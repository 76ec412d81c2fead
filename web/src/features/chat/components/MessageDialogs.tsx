/** What is asked before a message is deleted or reported. */
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Confirm, Dialog } from "@/components/ui/dialog";
import { FormError, TextAreaField } from "@/components/ui/field";
import type { ChatMessage } from "@/lib/room-view";
import { useChat } from "../chat-context";
import { messageOf } from "../explain";
import type { Asking } from "./ChatRoom";

interface MessageDialogsProps {
  roomId: string;
  asking: NonNullable<Asking>;
  onClose: () => void;
  onDelete: (messageId: string) => void;
  onSaid: (text: string) => void;
}

export default function MessageDialogs({ roomId, asking, onClose, onDelete, onSaid }: MessageDialogsProps) {
  const { kind, message } = asking;
  if (kind === "report") return <Report {...{ roomId, message, onClose, onSaid }} />;
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

interface ReportProps {
  roomId: string;
  message: ChatMessage;
  onClose: () => void;
  onSaid: (text: string) => void;
}

function Report({ roomId, message, onClose, onSaid }: ReportProps) {
  const { api } = useChat();
  const [reason, setReason] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    try {
      await api.report(roomId, message.id, reason.trim());
      onSaid("Reported to the moderators.");
      onClose();
    } catch (failure) {
      setError(messageOf(failure));
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
