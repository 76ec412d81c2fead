/** The input of a room or thread: a persistent draft, files, mentions, and the message that is quoted or edited. */

import { useEffect, useRef, useState } from "react";
import { ChatInput } from "@/components/chat/chat-input";
import { Button } from "@/components/ui/button";
import { EmojiPicker } from "@/components/ui/emoji-picker";
import {
  PaperclipIcon,
  PencilIcon,
  ReplyIcon,
  SendHorizontalIcon,
  SmileIcon,
  XIcon,
} from "@/components/ui/icons";
import { Popover } from "@/components/ui/popover";
import { fill } from "@/i18n/fill";
import { formatDuration } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import { decodeMentions, encodeEdit, encodeMentions, plainText } from "@/lib/markdown";
import type { SendOptions } from "@/lib/room-client";
import type { RoomState } from "@/lib/room-state";
import { CONTENT_MAX, codePointCount } from "@/lib/text";
import { useChat } from "../chat-context";
import type { Composing } from "../panels";
import { draftKey, useDraft } from "../use-draft";
import { useSeconds } from "../use-seconds";
import { FILES_MAX, useUploads } from "../use-uploads";
import { Mentions, matchPeople, mentionAtCaret } from "./Mentions";
import { UploadList } from "./UploadList";

interface MessageInputProps {
  roomId: string;
  threadId?: string;
  placeholder: string;
  disabled: boolean;
  sendBlocked: RoomState["sendBlocked"];
  /** The interval of slow mode, if it applies to me. */
  slowModeS?: number | undefined;
  /** The user ids that can be mentioned. */
  people: string[];
  composing: Composing;
  onComposing: (composing: Composing) => void;
  onSend: (content: string, options: SendOptions) => void;
  onEdit: (messageId: string, content: string) => void;
  /** Called on ArrowUp in an empty field. */
  onEditLast: () => void;
  onTyping: (isTyping: boolean) => void;
  /** Files that were dropped on the room. */
  dropped?: File[] | null;
  autoFocus?: boolean;
  children?: React.ReactNode;
}

/** After a pause of this length the person counts as no longer typing. */
const PAUSE_MS = 5_000;
/** The number of remaining characters is shown from here on. */
const WARN_REMAINING = 400;

export function MessageInput(props: MessageInputProps) {
  const { roomId, threadId, disabled, people, composing, onComposing, onTyping } = props;
  const { userId } = useChat();
  const [draft, setDraft] = useDraft(draftKey(userId, roomId, threadId));
  const [edited, setEdited] = useState("");
  const files = useUploads(roomId);
  const field = useRef<HTMLTextAreaElement>(null);
  const isEdit = composing?.kind === "edit";
  const [text, setText] = isEdit ? [edited, setEdited] : [draft, setDraft];
  const content = isEdit
    ? encodeEdit(text.trim(), composing.message.content, people)
    : encodeMentions(text.trim(), people);
  const remaining = CONTENT_MAX - codePointCount(content);
  const isUploading = !isEdit && files.uploads.some((upload) => upload.attachment === null);
  const hasFiles = isEdit ? composing.message.attachments.length > 0 : files.uploads.length > 0;
  const { isBlocked, blockedText } = useSendBlocked(props.sendBlocked, props.slowModeS);
  const canSend =
    !disabled && (isEdit || !isBlocked) && (content !== "" || hasFiles) && remaining >= 0 && !isUploading;
  const mention = useMention(text, setText, field, people);

  const editing = isEdit ? composing.message : null;
  useEffect(() => {
    if (editing) setEdited(decodeMentions(editing.content));
  }, [editing]);
  useEffect(() => {
    if (composing) field.current?.focus();
  }, [composing]);
  useEffect(() => {
    if (props.autoFocus && matchMedia("(hover: hover)").matches) field.current?.focus();
  }, [props.autoFocus]);
  const { dropped } = props;
  // biome-ignore lint/correctness/useExhaustiveDependencies: dropped files are added once
  useEffect(() => {
    if (dropped?.length) files.add(dropped);
  }, [dropped]);
  useEffect(() => {
    if (text === "" || isEdit) return;
    const timer = setTimeout(() => onTyping(false), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, isEdit, onTyping]);

  const change = (value: string) => {
    setText(value);
    if (!isEdit) onTyping(value.trim() !== "");
  };
  const submit = () => {
    if (!canSend) return;
    if (isEdit) props.onEdit(composing.message.id, content);
    else {
      const attachments = files.uploads.flatMap((upload) => upload.attachment ?? []);
      const replyToId = composing?.message.id;
      props.onSend(content, {
        ...(attachments.length > 0 && { attachments }),
        ...(replyToId && { replyToId }),
      });
      setDraft("");
      files.clear();
    }
    onComposing(null);
  };
  const insert = (piece: string) => {
    const at = field.current?.selectionStart ?? text.length;
    const to = field.current?.selectionEnd ?? at;
    change(text.slice(0, at) + piece + text.slice(to));
    requestAnimationFrame(() => {
      field.current?.focus();
      field.current?.setSelectionRange(at + piece.length, at + piece.length);
    });
  };
  const onKeyDown = (event: React.KeyboardEvent<HTMLTextAreaElement>) => {
    if (mention.onKeyDown(event)) return;
    if (event.key === "Escape" && composing) {
      event.stopPropagation();
      onComposing(null);
    }
    if (event.key === "ArrowUp" && text === "" && !composing && !event.shiftKey) {
      event.preventDefault();
      props.onEditLast();
    }
  };
  return (
    <form
      className="relative mx-auto w-full max-w-4xl px-4 pb-[max(1rem,env(safe-area-inset-bottom))]"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {mention.list}
      <div className="rounded-2xl border bg-card shadow-sm transition focus-within:border-ring focus-within:ring-3 focus-within:ring-ring/20">
        {composing && <ComposingBanner composing={composing} onCancel={() => onComposing(null)} />}
        {!isEdit && <UploadList uploads={files.uploads} onRetry={files.retry} onRemove={files.remove} />}
        <div className="flex items-end gap-1 py-1.5 pr-1.5 pl-1.5">
          <AttachButton disabled={disabled || isEdit} onFiles={files.add} />
          <ChatInput
            ref={field}
            value={text}
            disabled={disabled}
            placeholder={props.placeholder}
            aria-label={threadId ? t.input.replyInThread : t.input.message}
            enterKeyHint="send"
            onChange={(event) => change(event.target.value)}
            onSelect={mention.onSelect}
            onBlur={() => onTyping(false)}
            onKeyDown={onKeyDown}
            onPaste={(event) => {
              const pasted = [...event.clipboardData.files];
              if (pasted.length === 0 || isEdit) return;
              event.preventDefault();
              files.add(pasted);
            }}
            onSubmitText={submit}
          />
          {remaining < WARN_REMAINING && <RemainingCount count={remaining} />}
          <EmojiButton disabled={disabled} onEmoji={insert} />
          <button
            type="submit"
            disabled={!canSend}
            aria-label={isEdit ? t.common.save : t.input.send}
            className="flex size-10 shrink-0 items-center justify-center rounded-xl bg-primary text-primary-foreground transition hover:brightness-110 disabled:bg-muted disabled:text-muted-foreground"
          >
            <SendHorizontalIcon />
          </button>
        </div>
      </div>
      {blockedText && !isEdit && (
        <p role="status" className="px-1 pt-2 text-muted-foreground text-xs">
          {blockedText}
        </p>
      )}
      {props.children}
    </form>
  );
}

/** Slow mode prevents sending until its wait ends. A muted person may still try, because the mute may have been lifted. */
function useSendBlocked(sendBlocked: RoomState["sendBlocked"], slowModeS = 0) {
  const nowMs = useSeconds(sendBlocked !== null && Number.isFinite(sendBlocked.untilMs));
  const leftS = sendBlocked === null ? 0 : Math.ceil((sendBlocked.untilMs - nowMs) / 1_000);
  const isSlow = sendBlocked?.code === "slow_mode" && leftS > 0;
  let blockedText = slowModeS > 0 ? t.input.slowMode(formatDuration(slowModeS)) : null;
  if (isSlow) blockedText = t.input.slowModeWait(formatDuration(leftS));
  else if (leftS > 0)
    blockedText = Number.isFinite(leftS) ? t.input.mutedFor(formatDuration(leftS)) : t.input.muted;
  return { isBlocked: isSlow, blockedText };
}

function RemainingCount({ count }: { count: number }) {
  const ink = count < 0 ? "text-destructive" : "text-muted-foreground";
  return (
    <span className={cn("pb-2.5 text-xs tabular-nums", ink)} aria-live="polite">
      {count}
    </span>
  );
}

function ComposingBanner({
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
        {kind === "edit" ? t.input.editing : fill(t.input.answering, <bdi>{message.userId}</bdi>)}
      </span>
      <span className="min-w-0 flex-1 truncate">{text.slice(0, 200)}</span>
      <Button variant="ghost" size="iconSm" aria-label={t.common.cancel} onClick={onCancel}>
        <XIcon className="size-4" />
      </Button>
    </div>
  );
}

function AttachButton({ disabled, onFiles }: { disabled: boolean; onFiles: (files: File[]) => void }) {
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

function EmojiButton({ disabled, onEmoji }: { disabled: boolean; onEmoji: (emoji: string) => void }) {
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
        <Popover
          anchor={button}
          onClose={() => setOpen(false)}
          shape="flush"
          role="dialog"
          aria-label={t.input.emojis}
        >
          <EmojiPicker
            onChoose={(emoji) => {
              setOpen(false);
              onEmoji(emoji);
            }}
          />
        </Popover>
      )}
    </>
  );
}

/** Completion while the person types `@…`: the matching people, and the keys that choose among them. */
function useMention(
  text: string,
  setText: (text: string) => void,
  field: React.RefObject<HTMLTextAreaElement | null>,
  people: string[],
) {
  const [caret, setCaret] = useState(0);
  const [at, setAt] = useState(0);
  const [closedFor, setClosedFor] = useState<string | null>(null);
  const found = mentionAtCaret(text, caret);
  const options = found === null || closedFor === found.query ? [] : matchPeople(people, found.query);
  const chosen = options[Math.min(at, options.length - 1)];
  const choose = (person: string) => {
    if (!found) return;
    const next = `${text.slice(0, found.from)}@${person} ${text.slice(caret)}`;
    const end = found.from + person.length + 2;
    setText(next);
    setCaret(end);
    setAt(0);
    requestAnimationFrame(() => {
      field.current?.focus();
      field.current?.setSelectionRange(end, end);
    });
  };
  return {
    onSelect: (event: React.SyntheticEvent<HTMLTextAreaElement>) => {
      setCaret(event.currentTarget.selectionStart);
      setAt(0);
    },
    onKeyDown: (event: React.KeyboardEvent): boolean => {
      if (!chosen) return false;
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const isChoice = event.key === "Tab" || (event.key === "Enter" && !event.shiftKey);
      if (step) setAt((Math.min(at, options.length - 1) + step + options.length) % options.length);
      else if (isChoice && !event.nativeEvent.isComposing) choose(chosen);
      else if (event.key === "Escape") setClosedFor(found?.query ?? null);
      else return false;
      event.preventDefault();
      event.stopPropagation();
      return true;
    },
    list: options.length > 0 && <Mentions options={options} chosen={chosen} onChoose={choose} />,
  };
}
