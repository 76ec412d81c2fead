/** All emojis, searchable. The picker and its data (our own copy, /emoji) come in only when somebody opens it. */
import { createContext } from "react";
import { later } from "./later";

/** Where the Worker has emojibase-data (vite.config.ts): nothing is asked of anybody else's server. */
export const EmojiSource = createContext("/emoji");

const Picker = later(() => import("./emoji-picker-list"));

export function EmojiPicker({ onChoose }: { onChoose: (emoji: string) => void }) {
  return (
    <div className="h-80 w-76">
      <Picker onChoose={onChoose} />
    </div>
  );
}
