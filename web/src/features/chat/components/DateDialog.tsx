/** Goes to a day of a room: the first message of that day, or the next one after it. */
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, FormError } from "@/components/ui/field";
import { localDay, startOfDayIso } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { findFirstAt } from "@/lib/room-requests";
import { useChat } from "../chat-context";
import { errorText } from "../explain";

interface DateDialogProps {
  roomId: string;
  /** The day to begin with, as an ISO time. */
  from: string;
  onGo: (seq: number) => void;
  onClose: () => void;
}

export function DateDialog({ roomId, from, onGo, onClose }: DateDialogProps) {
  const { api } = useChat();
  const [day, setDay] = useState(() => localDay(from));
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    setError(null);
    try {
      const seq = await findFirstAt(api, roomId, startOfDayIso(day));
      if (seq === null) setError(t.goToDate.nothing);
      else {
        onClose();
        return onGo(seq);
      }
    } catch (failure) {
      setError(errorText(failure));
    }
    setBusy(false);
  };
  return (
    <Dialog title={t.goToDate.title} onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Field
          label={t.goToDate.day}
          hint={t.goToDate.hint}
          type="date"
          required
          min="1970-01-02"
          max={localDay(new Date().toISOString())}
          data-autofocus
          value={day}
          onChange={(event) => setDay(event.target.value)}
        />
        <FormError>{error}</FormError>
        <div className="flex justify-end gap-2">
          <Button variant="outline" onClick={onClose}>
            {t.common.cancel}
          </Button>
          <Button type="submit" disabled={busy || day === ""}>
            {t.goToDate.go}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
