/** The emoji picker. Its code and its data (our own copy, /emoji) are loaded when it is opened for the first time. */
import { lazyWithRetry } from "./lazy-with-retry";

const Picker = lazyWithRetry(() => import("./emoji-picker-list"));

export function EmojiPicker({ onChoose }: { onChoose: (emoji: string) => void }) {
  return (
    <div className="h-80 w-76">
      <Picker onChoose={onChoose} />
    </div>
  );
}
