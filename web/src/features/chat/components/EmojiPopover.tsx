import { EmojiPicker } from "@/components/ui/emoji-picker";
import { Popover } from "@/components/ui/popover";
import { t } from "@/i18n/i18n";

interface EmojiPopoverProps {
  anchor: HTMLElement | null;
  onChoose: (emoji: string) => void;
  onClose: () => void;
}

/** All emojis, next to the button of the message input. */
export default function EmojiPopover({ anchor, onChoose, onClose }: EmojiPopoverProps) {
  return (
    <Popover anchor={anchor} onClose={onClose} shape="flush" role="dialog" aria-label={t.input.emojis}>
      <EmojiPicker onChoose={onChoose} />
    </Popover>
  );
}
