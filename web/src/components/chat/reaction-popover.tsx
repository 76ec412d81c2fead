/** The reactions to choose from: six at first, then all emojis. */
import { useLayoutEffect, useRef, useState } from "react";
import { EmojiPicker } from "@/components/ui/emoji-picker";
import { PlusIcon } from "@/components/ui/icons";
import { Popover } from "@/components/ui/popover";
import { t } from "@/i18n/i18n";

export const REACTION_EMOJIS = ["👍", "❤️", "😂", "🎉", "😮", "😢"] as const;

interface ReactionPopoverProps {
  anchor: HTMLElement | null;
  onChoose: (emoji: string) => void;
  onClose: () => void;
}

export default function ReactionPopover({ anchor, onChoose, onClose }: ReactionPopoverProps) {
  const [all, setAll] = useState(false);
  return (
    <Popover
      anchor={anchor}
      onClose={onClose}
      shape={all ? "flush" : "pill"}
      aria-label={t.message.reactions}
    >
      {all ? (
        <EmojiPicker onChoose={onChoose} />
      ) : (
        <QuickReactions onChoose={onChoose} onMore={() => setAll(true)} />
      )}
    </Popover>
  );
}

function QuickReactions({ onChoose, onMore }: { onChoose: (emoji: string) => void; onMore: () => void }) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => box.current?.querySelector<HTMLButtonElement>("button")?.focus(), []);
  const onKeyDown = (event: React.KeyboardEvent) => {
    const key = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!key) return;
    const step = t.direction === "rtl" ? -key : key;
    event.preventDefault();
    const buttons = [...(box.current?.querySelectorAll<HTMLButtonElement>("button") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    buttons[(at + step + buttons.length) % buttons.length]?.focus();
  };
  return (
    <div
      ref={box}
      role="toolbar"
      aria-label={t.message.reactions}
      className="flex gap-0.5"
      onKeyDown={onKeyDown}
    >
      {REACTION_EMOJIS.map((emoji) => (
        <button
          key={emoji}
          type="button"
          aria-label={t.message.reactWith(emoji)}
          onClick={() => onChoose(emoji)}
          className="flex size-9 items-center justify-center rounded-full font-emoji text-xl transition-transform hover:scale-115 hover:bg-muted"
        >
          {emoji}
        </button>
      ))}
      <button
        type="button"
        aria-label={t.message.moreEmojis}
        title={t.message.moreEmojis}
        onClick={onMore}
        className="flex size-9 items-center justify-center rounded-full text-muted-foreground hover:bg-muted"
      >
        <PlusIcon className="size-4.5" />
      </button>
    </div>
  );
}
