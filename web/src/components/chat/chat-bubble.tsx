/**
 * One message, following the shadcn conventions: `ChatBubble` and its parts. Presentation only; the message and its
 * author are props.
 */

import { createContext, use, useState } from "react";
import { Avatar } from "@/components/ui/avatar";
import { SmileIcon } from "@/components/ui/icons";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { useProfiles } from "@/components/ui/person";
import { formatCount, formatFull } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";

export type BubbleVariant = "sent" | "received";

/** Loaded when it is opened for the first time. */
const ReactionPopover = lazyWithRetry(() => import("./reaction-popover"), true);

const Variant = createContext<BubbleVariant>("received");

export interface ChatBubbleProps extends React.ComponentProps<"div"> {
  variant: BubbleVariant;
  /** The previous message is by the same person at about the same time, so this one is placed closer to it. */
  grouped?: boolean;
  /** Adds or removes a reaction. Without it there is no picker. */
  onReaction?: ((emoji: string) => void) | undefined;
  /** More buttons next to the bubble (`ChatBubbleAction`). */
  actions?: React.ReactNode;
  /** Controls the reaction picker from outside, for example by a key. */
  isPicking?: boolean;
  onPickingChange?: (isPicking: boolean) => void;
}

export function ChatBubble({
  variant,
  grouped = false,
  onReaction,
  actions,
  isPicking,
  onPickingChange,
  className,
  children,
  ...props
}: ChatBubbleProps) {
  const [picking, setPicking] = useState(false);
  const side = variant === "sent" ? "flex-row-reverse" : "flex-row";
  return (
    <Variant value={variant}>
      <div
        className={cn(
          "group/bubble flex gap-2.5 px-4",
          side,
          grouped ? "pt-0.5 compact:pt-px" : "pt-3 compact:pt-1.5",
          className,
        )}
        {...props}
      >
        {children}
        {(onReaction || actions) && (
          <ChatBubbleActions isOpen={isPicking ?? picking}>
            {onReaction && (
              <ReactionPicker
                onReaction={onReaction}
                isOpen={isPicking ?? picking}
                onOpenChange={onPickingChange ?? setPicking}
              />
            )}
            {actions}
          </ChatBubbleActions>
        )}
      </div>
    </Variant>
  );
}

/** Keeps its width without an avatar, so that grouped bubbles are aligned. */
export function ChatBubbleAvatar({ id, shown = true }: { id: string; shown?: boolean }) {
  return <span className="w-9 shrink-0 pt-0.5">{shown && <Avatar id={id} />}</span>;
}

/** The column next to the avatar: name, bubble, reactions, status. */
export function ChatBubbleBody({ children }: { children: React.ReactNode }) {
  const variant = use(Variant);
  const side = variant === "sent" ? "items-end" : "items-start";
  return <div className={cn("flex min-w-0 max-w-[min(34rem,78%)] flex-col", side)}>{children}</div>;
}

export function ChatBubbleName({ name, children }: { name: React.ReactNode; children?: React.ReactNode }) {
  return (
    <div className="mb-1 flex max-w-full items-baseline gap-2 px-1">
      <bdi className="truncate font-semibold text-[0.8125rem]">{name}</bdi>
      {children}
    </div>
  );
}

interface ChatBubbleMessageProps {
  id?: string;
  children: React.ReactNode;
  /** Not confirmed yet. */
  pending?: boolean;
  failed?: boolean;
  /** The message was deleted. */
  removed?: boolean;
}

export function ChatBubbleMessage({ id, children, pending, failed, removed }: ChatBubbleMessageProps) {
  const sent = use(Variant) === "sent";
  const shape = sent ? "rounded-2xl rounded-se-md" : "rounded-2xl rounded-ss-md";
  const paint = sent ? "bg-primary text-primary-foreground" : "border border-border/70 bg-card";
  return (
    <div
      id={id}
      dir="auto"
      className={cn(
        "min-w-0 max-w-full px-3.5 py-2 text-[0.9375rem] leading-relaxed compact:px-3 compact:py-1 compact:text-sm compact:leading-snug [overflow-wrap:anywhere]",
        shape,
        removed ? "border border-dashed bg-transparent text-muted-foreground italic" : paint,
        pending && "outline-1 outline-ring outline-dashed outline-offset-2",
        failed && "ring-2 ring-destructive ring-offset-2 ring-offset-background",
      )}
    >
      {children}
    </div>
  );
}

export function ChatBubbleTimestamp({ iso, children }: { iso: string; children: React.ReactNode }) {
  return (
    <time
      dateTime={iso}
      title={formatFull(iso)}
      className="shrink-0 whitespace-nowrap text-[0.6875rem] text-muted-foreground"
    >
      {children}
    </time>
  );
}

export function ChatBubbleStatus({ children }: { children: React.ReactNode }) {
  return (
    <div className="mt-1 flex items-center gap-1.5 px-1 text-[0.6875rem] text-muted-foreground">
      {children}
    </div>
  );
}

interface ChatBubbleReactionsProps {
  /** By emoji: some of the people, and how many there are. */
  reactions: Record<string, string[]>;
  counts: Record<string, number>;
  me: string;
  onReaction?: ((emoji: string) => void) | undefined;
}

export function ChatBubbleReactions({ reactions, counts, me, onReaction }: ChatBubbleReactionsProps) {
  const chips = Object.entries(counts).filter(([, count]) => count > 0);
  const people = useProfiles([...new Set(Object.values(reactions).flat())]);
  const nameOf = (id: string) => people.find(({ userId }) => userId === id)?.name ?? id;
  if (chips.length === 0) return null;
  return (
    <ul className="my-1 flex flex-wrap gap-1" aria-label={t.message.reactions}>
      {chips.map(([emoji, count]) => {
        const users = reactions[emoji] ?? [];
        const mine = users.includes(me);
        return (
          <li key={emoji}>
            <button
              type="button"
              disabled={!onReaction}
              aria-pressed={mine}
              aria-label={t.message.reactionCount(emoji, count)}
              aria-description={whoReacted(users, count, me, nameOf)}
              title={whoReacted(users, count, me, nameOf)}
              onClick={(event) => {
                // The last one's button disappears, and a key needs the focus on something.
                if (event.detail === 0 && mine && count === 1)
                  event.currentTarget.closest<HTMLElement>("article")?.focus();
                onReaction?.(emoji);
              }}
              className={cn(
                "inline-flex h-6.5 max-w-40 items-center gap-1 rounded-full border px-2 text-xs tabular-nums transition",
                mine
                  ? "border-primary/50 bg-accent font-semibold text-accent-foreground"
                  : "bg-card hover:border-ring/60 hover:bg-muted",
              )}
            >
              <span className="truncate font-emoji text-sm">{emoji}</span>
              {` ${formatCount(count)}`}
            </button>
          </li>
        );
      })}
    </ul>
  );
}

const NAMED_MAX = 20;

function whoReacted(users: string[], count: number, me: string, nameOf: (userId: string) => string): string {
  const names = users.slice(0, NAMED_MAX).map((user) => (user === me ? t.message.reactedYou : nameOf(user)));
  const more = count - names.length;
  return more > 0 && names.length > 0 ? t.message.reactedMore(names.join(", "), more) : names.join(", ");
}

/** The buttons next to a bubble. Visible on hover and focus; always visible on devices without hover. */
export function ChatBubbleActions({
  children,
  isOpen = false,
}: {
  children: React.ReactNode;
  isOpen?: boolean;
}) {
  const shown = isOpen
    ? "opacity-100"
    : "opacity-0 group-hover/bubble:opacity-100 [@media(hover:none)]:opacity-100";
  return (
    <div
      className={cn(
        "flex shrink-0 items-center self-center transition-opacity focus-within:opacity-100",
        "[@media(hover:hover)]:rounded-lg",
        shown,
      )}
    >
      {children}
    </div>
  );
}

export function ChatBubbleAction({ className, ...props }: React.ComponentProps<"button">) {
  return (
    <button
      type="button"
      title={props["aria-label"]}
      className={cn(
        "flex size-8 items-center justify-center rounded-full text-muted-foreground hover:bg-muted hover:text-foreground",
        className,
      )}
      {...props}
    />
  );
}

interface ReactionPickerProps {
  onReaction: (emoji: string) => void;
  /** Controlled, because a key or a menu can open it too. */
  isOpen: boolean;
  onOpenChange: (isOpen: boolean) => void;
}

/** A button next to the bubble that offers six reactions, and from there all emojis. */
export function ReactionPicker({ onReaction, isOpen, onOpenChange }: ReactionPickerProps) {
  const [button, setButton] = useState<HTMLButtonElement | null>(null);
  const choose = (emoji: string) => {
    onOpenChange(false);
    onReaction(emoji);
  };
  return (
    <>
      <ChatBubbleAction
        ref={setButton}
        aria-label={t.message.addReaction}
        aria-haspopup="true"
        aria-expanded={isOpen}
        onClick={() => onOpenChange(!isOpen)}
      >
        <SmileIcon className="size-4.5" />
      </ChatBubbleAction>
      {isOpen && <ReactionPopover anchor={button} onChoose={choose} onClose={() => onOpenChange(false)} />}
    </>
  );
}
