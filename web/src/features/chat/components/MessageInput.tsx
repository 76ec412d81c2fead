/** The input of a room or thread: a persistent draft, files, mentions, and the message that is quoted or edited. */

import { useEffect, useRef, useState } from "react";
import { ChatInput } from "@/components/chat/chat-input";
import { SendHorizontalIcon } from "@/components/ui/icons";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { t } from "@/i18n/i18n";
import { draftKey } from "@/lib/drafts";
import { encodeEdit, encodeMentions } from "@/lib/markdown";
import type { SendOptions } from "@/lib/room-client";
import type { RoomState } from "@/lib/room-state";
import { CONTENT_MAX, codePointCount } from "@/lib/text";
import { useChat } from "../chat-context";
import { errorText } from "../explain";
import type { Composing } from "../panels";
import { readPaste } from "../pasted-files";
import { useEnterSends } from "../settings";
import { markOfKey, toggleMark } from "../text-marks";
import { useDraft } from "../use-draft";
import { useMentionNames } from "../use-mention-names";
import { useSendBlocked } from "../use-send-blocked";
import { useUploads } from "../use-uploads";
import {
  AttachButton,
  ComposingBanner,
  EmojiButton,
  FormattingBar,
  RemainingCount,
} from "./MessageInputParts";
import { useCompletion } from "./use-completion";
import { useSelection } from "./use-selection";

const UploadList = lazyWithRetry(() => import("./UploadList"), true);

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
  const chat = useChat();
  const { userId } = chat;
  const scope = draftKey(userId, roomId, threadId);
  const [draft, setDraft] = useDraft(roomId, threadId ?? null);
  const [edited, setEdited] = useState("");
  const files = useUploads(roomId, scope);
  const [offered, setOffered] = useState<File[]>([]);
  const [blockedSend, setBlockedSend] = useState<string | null>(null);
  const [commandError, setCommandError] = useState<string | null>(null);
  const enterSends = useEnterSends();
  const field = useRef<HTMLTextAreaElement>(null);
  const isEdit = composing?.kind === "edit";
  const [text, setText] = isEdit ? [edited, setEdited] : [draft, setDraft];
  const names = useMentionNames(people);
  const content = isEdit
    ? encodeEdit(text.trim(), composing.message.content, names)
    : encodeMentions(text.trim(), names);
  const remaining = CONTENT_MAX - codePointCount(content);
  const isFailed = !isEdit && files.uploads.some((upload) => upload.error !== null);
  const isUploading = !isEdit && files.uploads.some((upload) => upload.attachment === null);
  const hasFiles = isEdit ? composing.message.attachments.length > 0 : files.uploads.length > 0;
  const { isBlocked, blockedText } = useSendBlocked(props.sendBlocked, props.slowModeS);
  const canSend =
    !disabled && (isEdit || !isBlocked) && (content !== "" || hasFiles) && remaining >= 0 && !isUploading;
  const select = useSelection(field);
  const completion = useCompletion(text, setText, field, people, names);

  // A name that arrives while somebody edits does not replace what they have typed.
  const decode = useRef((content: string) => content);
  decode.current = (content) => names.decode(content);
  const editing = isEdit ? composing.message : null;
  useEffect(() => {
    if (editing) setEdited(decode.current(editing.content));
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
    setCommandError(null);
    setText(value);
    if (!isEdit) onTyping(value.trim() !== "");
  };
  const submit = () => {
    if (!canSend) {
      if (isUploading) setBlockedSend(isFailed ? t.uploads.failedFirst : t.uploads.notReady);
      return;
    }
    setBlockedSend(null);
    if (!isEdit && content.startsWith("/") && files.uploads.length === 0) {
      void runCommand(content);
      return;
    }
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
  /** A slash command; its code is loaded when a message starts with a slash. Unknown ones are messages. */
  const runCommand = async (command: string) => {
    const { parseCommand } = await import("../slash-commands");
    const parsed = parseCommand(command, Date.now());
    const client = chat.room(roomId);
    setDraft("");
    onComposing(null);
    try {
      if (parsed === null || parsed.kind === "send") props.onSend(parsed?.content ?? command, {});
      else if (parsed.kind === "topic") await chat.api.updateRoom(roomId, { topic: parsed.topic });
      else if (client.getSnapshot().state.notify) {
        const { level = "all" } = client.getSnapshot().state.notify ?? {};
        await client.setNotify({ level, muteUntil: new Date(parsed.untilMs).toISOString() });
      }
    } catch (failure) {
      setDraft(command);
      setCommandError(errorText(failure));
    }
  };
  const insert = (piece: string) => {
    const at = field.current?.selectionStart ?? text.length;
    const to = field.current?.selectionEnd ?? at;
    change(text.slice(0, at) + piece + text.slice(to));
    select(at + piece.length, at + piece.length);
  };
  const mark = (symbol: string) => {
    const element = field.current;
    if (!element) return;
    const marked = toggleMark({ text, from: element.selectionStart, to: element.selectionEnd }, symbol);
    change(marked.text);
    select(marked.from, marked.to);
  };
  const onKeyDown = (event: React.KeyboardEvent<HTMLTextAreaElement>) => {
    if (completion.onKeyDown(event)) return;
    const symbol = event.ctrlKey || event.metaKey ? markOfKey(event) : undefined;
    if (symbol) {
      event.preventDefault();
      mark(symbol);
    }
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
      {completion.list}
      <div className="rounded-2xl border bg-card shadow-sm transition focus-within:border-ring focus-within:ring-3 focus-within:ring-ring/20">
        {composing && (
          <ComposingBanner
            composing={composing}
            onCancel={() => {
              onComposing(null);
              // The button disappears; the field had the focus since it was opened.
              field.current?.focus();
            }}
          />
        )}
        {!isEdit && (files.uploads.length > 0 || files.refusedCount > 0 || offered.length > 0) && (
          <UploadList
            uploads={files.uploads}
            refusedCount={files.refusedCount}
            offeredCount={offered.length}
            onAttachOffered={() => {
              files.add(offered);
              setOffered([]);
            }}
            onRetry={files.retry}
            onRemove={files.remove}
          />
        )}
        <div className="flex items-end gap-1 py-1.5 pe-1.5 ps-1.5">
          <AttachButton disabled={disabled || isEdit} onFiles={files.add} />
          <ChatInput
            ref={field}
            value={text}
            disabled={disabled}
            placeholder={props.placeholder}
            aria-label={threadId ? t.input.replyInThread : t.input.message}
            {...completion.field}
            enterKeyHint={enterSends ? "send" : "enter"}
            enterSends={enterSends}
            onChange={(event) => change(event.target.value)}
            onBlur={() => onTyping(false)}
            onKeyDown={onKeyDown}
            onPaste={(event) => {
              const { attach, offer } = readPaste(event.clipboardData);
              if (isEdit) return;
              setOffered(offer);
              if (attach.length === 0) return;
              event.preventDefault();
              files.add(attach);
            }}
            onSubmitText={submit}
          />
          {remaining < WARN_REMAINING && <RemainingCount count={remaining} />}
          <FormattingBar disabled={disabled} onMark={mark} />
          <EmojiButton disabled={disabled} onEmoji={insert} />
          <button
            type="submit"
            disabled={!canSend}
            aria-label={isEdit ? t.common.save : t.input.send}
            title={isEdit ? t.common.save : t.input.send}
            className="flex size-10 shrink-0 items-center justify-center rounded-xl bg-primary text-primary-foreground transition hover:brightness-110 disabled:bg-muted disabled:text-muted-foreground"
          >
            <SendHorizontalIcon className="rtl:-scale-x-100" />
          </button>
        </div>
      </div>
      {commandError && (
        <p role="alert" className="px-1 pt-2 text-destructive text-xs">
          {commandError}
        </p>
      )}
      {blockedSend !== null && isUploading && (
        <p role="alert" className="px-1 pt-2 text-destructive text-xs">
          {blockedSend}
        </p>
      )}
      {blockedText && !isEdit && (
        <p role="status" className="px-1 pt-2 text-muted-foreground text-xs">
          {blockedText}
        </p>
      )}
      {props.children}
    </form>
  );
}
