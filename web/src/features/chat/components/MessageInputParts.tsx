/** The parts around the text field: what is quoted or edited, attach, formatting, emojis, the remaining length. */
import { useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { PaperclipIcon, PencilIcon, ReplyIcon, SmileIcon, TypeIcon, XIcon } from "@/components/ui/icons";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { PersonName } from "@/components/ui/person";
import { fill } from "@/i18n/fill";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import { plainText } from "@/lib/markdown";
import type { Composing } from "../panels";
import { FILES_MAX } from "../use-uploads";

const EmojiPopover = lazyWithRetry(() => import("./EmojiPopover"), true);

export function RemainingCount({ count }: { count: number }) {
  const ink = count < 0 ? "text-destructive" : "text-muted-foreground";
  return (
    <span className={cn("pb-2.5 text-xs tabular-nums", ink)} aria-live="polite">
      {count}
    </span>
  );
}

export function ComposingBanner({
  composing,
  onCancel,
}: {
  composing: NonNullable<Composing>;
  onCancel: () => void;
}) {
  const { kind, message } = composing;
  const text = plainText(message.content) || message.attachments.map((file) => file.name).join(", ");
  return (
    <div className="flex items-center gap-2 border-b px-3 py-1.5 text-muted-foreground text-xs">
      {kind === "edit" ? (
        <PencilIcon className="size-4 shrink-0" />
      ) : (
        <ReplyIcon className="size-4 shrink-0" />
      )}
      <span className="shrink-0 font-medium">
        {kind === "edit" ? t.input.editing : fill(t.input.answering, <PersonName id={message.userId} />)}
      </span>
      <span className="min-w-0 flex-1 truncate">{text.slice(0, 200)}</span>
      <Button variant="ghost" size="iconSm" aria-label={t.common.cancel} onClick={onCancel}>
        <XIcon className="size-4" />
      </Button>
    </div>
  );
}

export function AttachButton({ disabled, onFiles }: { disabled: boolean; onFiles: (files: File[]) => void }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label={t.input.files(FILES_MAX)}
        onChange={(event) => {
          onFiles([...(event.target.files ?? [])]);
          event.target.value = "";
        }}
      />
      <Button
        variant="ghost"
        size="iconLg"
        aria-label={t.input.attachFiles}
        disabled={disabled}
        onClick={() => input.current?.click()}
      >
        <PaperclipIcon />
      </Button>
    </>
  );
}

export function EmojiButton({ disabled, onEmoji }: { disabled: boolean; onEmoji: (emoji: string) => void }) {
  const [button, setButton] = useState<HTMLButtonElement | null>(null);
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button
        ref={setButton}
        variant="ghost"
        size="iconLg"
        className="max-sm:hidden"
        aria-label={t.input.insertEmoji}
        aria-haspopup="dialog"
        aria-expanded={open}
        disabled={disabled}
        onClick={() => setOpen(!open)}
      >
        <SmileIcon />
      </Button>
      {open && (
        <EmojiPopover
          anchor={button}
          onClose={() => setOpen(false)}
          onChoose={(emoji) => {
            setOpen(false);
            onEmoji(emoji);
          }}
        />
      )}
    </>
  );
}

const FormattingMarks = lazyWithRetry(() => import("./FormattingMarks"), true);

/** A button that opens the marks of text: bold, italic, code, strikethrough. */
export function FormattingBar({ disabled, onMark }: { disabled: boolean; onMark: (mark: string) => void }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button
        variant="ghost"
        size="iconLg"
        className="max-sm:hidden"
        aria-label={t.input.formatting}
        title={t.input.formatting}
        aria-expanded={isOpen}
        disabled={disabled}
        onClick={() => setOpen(!isOpen)}
      >
        <TypeIcon />
      </Button>
      {isOpen && <FormattingMarks disabled={disabled} onMark={onMark} />}
    </>
  );
}
