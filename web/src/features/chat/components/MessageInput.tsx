import { useEffect, useState } from "react";
import { ChatInput } from "@/components/chat/chat-input";
import { SendIcon } from "@/components/ui/icons";
import { cn } from "@/lib/cn";
import { CONTENT_MAX, lengthOf } from "@/lib/text";

interface MessageInputProps {
  placeholder: string;
  disabled: boolean;
  onSend: (content: string) => void;
  onTyping: (isTyping: boolean) => void;
}

/** Somebody who pauses this long isn't typing any more. */
const PAUSE_MS = 5_000;
/** From here on one is told how much is left. */
const WARN_LEFT = 400;

export function MessageInput({ placeholder, disabled, onSend, onTyping }: MessageInputProps) {
  const [text, setText] = useState("");
  const left = CONTENT_MAX - lengthOf(text);
  const sendable = !disabled && text.trim() !== "" && left >= 0;

  useEffect(() => {
    if (text === "") return;
    const timer = setTimeout(() => onTyping(false), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, onTyping]);

  const change = (value: string) => {
    setText(value);
    onTyping(value.trim() !== "");
  };
  const submit = () => {
    if (!sendable) return;
    onSend(text.trim());
    setText("");
  };
  return (
    <form
      className="mx-auto w-full max-w-4xl px-4 pb-[max(1rem,env(safe-area-inset-bottom))]"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <div className="flex items-end gap-2 rounded-2xl border bg-card py-1.5 pr-1.5 pl-3 shadow-sm transition focus-within:border-ring focus-within:ring-3 focus-within:ring-ring/20">
        <ChatInput
          value={text}
          disabled={disabled}
          placeholder={placeholder}
          aria-label="Message"
          enterKeyHint="send"
          onChange={(event) => change(event.target.value)}
          onBlur={() => onTyping(false)}
          onSubmitText={submit}
        />
        {left < WARN_LEFT && (
          <span
            className={cn(
              "pb-2.5 text-xs tabular-nums",
              left < 0 ? "text-destructive" : "text-muted-foreground",
            )}
            aria-live="polite"
          >
            {left}
          </span>
        )}
        <button
          type="submit"
          disabled={!sendable}
          aria-label="Send"
          className="flex size-10 shrink-0 items-center justify-center rounded-xl bg-primary text-primary-foreground transition hover:brightness-110 disabled:bg-muted disabled:text-muted-foreground"
        >
          <SendIcon />
        </button>
      </div>
    </form>
  );
}
