/**
 * One message by the shadcn conventions: `ChatBubble` and its parts. Knows looks, not rooms: what a message is and
 * who wrote it comes in as props.
 */
import { createContext, use, useEffect, useRef, useState } from "react";
import { Avatar } from "@/components/ui/avatar";
import { SmileIcon } from "@/components/ui/icons";
import { cn } from "@/lib/cn";

export type BubbleVariant = "sent" | "received";

export const REACTION_EMOJIS = ["👍", "❤️", "😂", "🎉", "😮", "😢"] as const;

const Variant = createContext<BubbleVariant>("received");

export interface ChatBubbleProps extends React.ComponentProps<"div"> {
  variant: BubbleVariant;
  /** Whether the one before is of the same person and moment: then it stands closer. */
  grouped?: boolean;
  /** Without it no reaction can be added. */
  onReaction?: ((emoji: string) => void) | undefined;
}

export function ChatBubble({
  variant,
  grouped = false,
  onReaction,
  className,
  children,
  ...props
}: ChatBubbleProps) {
  const side = variant === "sent" ? "flex-row-reverse" : "flex-row";
  return (
    <Variant value={variant}>
      <div
        className={cn("group/bubble flex gap-2.5 px-4", side, grouped ? "pt-0.5" : "pt-3", className)}
        {...props}
      >
        {children}
        {onReaction && <ReactionPicker onReaction={onReaction} />}
      </div>
    </Variant>
  );
}

/** Keeps its width when there is no picture to show, so that grouped bubbles line up. */
export function ChatBubbleAvatar({ id, shown = true }: { id: string; shown?: boolean }) {
  return <span className="w-9 shrink-0 pt-0.5">{shown && <Avatar id={id} />}</span>;
}

/** The column beside the avatar: name, bubble, reactions, status. */
export function ChatBubbleBody({ children }: { children: React.ReactNode }) {
  const variant = use(Variant);
  const side = variant === "sent" ? "items-end" : "items-start";
  return <div className={cn("flex min-w-0 max-w-[min(34rem,78%)] flex-col", side)}>{children}</div>;
}

export function ChatBubbleName({ name, children }: { name: string; children?: React.ReactNode }) {
  return (
    <div className="mb-1 flex max-w-full items-baseline gap-2 px-1">
      <bdi className="truncate font-semibold text-[13px]">{name}</bdi>
      {children}
    </div>
  );
}

interface ChatBubbleMessageProps {
  children: React.ReactNode;
  /** Not confirmed yet. */
  pending?: boolean;
  failed?: boolean;
  /** Its content is gone. */
  removed?: boolean;
}

export function ChatBubbleMessage({ children, pending, failed, removed }: ChatBubbleMessageProps) {
  const sent = use(Variant) === "sent";
  const shape = sent ? "rounded-2xl rounded-tr-md" : "rounded-2xl rounded-tl-md";
  const paint = sent ? "bg-primary text-primary-foreground" : "border border-border/70 bg-card";
  return (
    <div
      dir="auto"
      className={cn(
        "min-w-0 max-w-full whitespace-pre-wrap px-3.5 py-2 text-[15px] leading-relaxed [overflow-wrap:anywhere]",
        shape,
        removed ? "border border-dashed bg-transparent text-muted-foreground italic" : paint,
        pending && "opacity-70",
        failed && "ring-2 ring-destructive ring-offset-2 ring-offset-background",
      )}
    >
      {children}
    </div>
  );
}

export function ChatBubbleTimestamp({ iso, children }: { iso: string; children: React.ReactNode }) {
  return (
    <time dateTime={iso} title={new Date(iso).toLocaleString()} className="text-[11px] text-muted-foreground">
      {children}
    </time>
  );
}

export function ChatBubbleStatus({ children }: { children: React.ReactNode }) {
  return (
    <div className="mt-1 flex items-center gap-1.5 px-1 text-[11px] text-muted-foreground">{children}</div>
  );
}

interface ChatBubbleReactionsProps {
  reactions: Record<string, string[]>;
  me: string;
  onReaction?: ((emoji: string) => void) | undefined;
}

export function ChatBubbleReactions({ reactions, me, onReaction }: ChatBubbleReactionsProps) {
  const set = Object.entries(reactions).filter(([, users]) => users.length > 0);
  if (set.length === 0) return null;
  return (
    <ul className="mt-1 flex flex-wrap gap-1" aria-label="Reactions">
      {set.map(([emoji, users]) => {
        const mine = users.includes(me);
        return (
          <li key={emoji}>
            <button
              type="button"
              disabled={!onReaction}
              aria-pressed={mine}
              aria-label={`${emoji}, ${users.length} ${users.length === 1 ? "person" : "people"}`}
              title={users.slice(0, 20).join(", ")}
              onClick={() => onReaction?.(emoji)}
              className={cn(
                "inline-flex h-6.5 max-w-40 items-center gap-1 rounded-full border px-2 text-xs tabular-nums transition",
                mine
                  ? "border-primary/50 bg-accent font-semibold text-accent-foreground"
                  : "bg-card hover:border-ring/60 hover:bg-muted",
              )}
            >
              <span className="truncate font-emoji text-sm">{emoji}</span>
              {users.length}
            </button>
          </li>
        );
      })}
    </ul>
  );
}

/** A small button beside the bubble, and the six reactions that it opens. */
function ReactionPicker({ onReaction }: { onReaction: (emoji: string) => void }) {
  const sent = use(Variant) === "sent";
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (open) box.current?.querySelector<HTMLButtonElement>("[data-emoji]")?.focus();
  }, [open]);

  const close = () => {
    setOpen(false);
    box.current?.querySelector<HTMLButtonElement>("[aria-haspopup]")?.focus();
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (!open) return;
    if (event.key === "Escape") close();
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = [...(box.current?.querySelectorAll<HTMLButtonElement>("[data-emoji]") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    all[(at + step + all.length) % all.length]?.focus();
  };
  const shown = open
    ? "opacity-100"
    : "opacity-0 group-hover/bubble:opacity-100 [@media(hover:none)]:opacity-60";
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: catches the keys of the buttons inside
    <div
      ref={box}
      className={cn("relative shrink-0 self-center transition-opacity focus-within:opacity-100", shown)}
      onKeyDown={onKeyDown}
      onBlur={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget)) setOpen(false);
      }}
    >
      <button
        type="button"
        aria-label="Add a reaction"
        aria-haspopup="true"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex size-8 items-center justify-center rounded-full text-muted-foreground hover:bg-muted hover:text-foreground"
      >
        <SmileIcon className="size-4.5" />
      </button>
      {open && (
        <div
          className={cn(
            "absolute bottom-full z-20 mb-1 flex animate-rise gap-0.5 rounded-full border bg-card p-1 shadow-lg",
            sent ? "-right-10" : "-left-10",
          )}
        >
          {REACTION_EMOJIS.map((emoji) => (
            <button
              key={emoji}
              type="button"
              data-emoji={emoji}
              aria-label={`React with ${emoji}`}
              onClick={() => {
                onReaction(emoji);
                close();
              }}
              className="flex size-9 items-center justify-center rounded-full font-emoji text-xl transition-transform hover:scale-115 hover:bg-muted"
            >
              {emoji}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
