/** All emojis, searchable. The picker and its data (our own copy, /emoji) come in only when somebody opens it. */
import { createContext, lazy, Suspense } from "react";

/** Where the Worker has emojibase-data (vite.config.ts): nothing is asked of anybody else's server. */
export const EmojiSource = createContext("/emoji");

const Picker = lazy(() => import("./emoji-picker-list"));

export function EmojiPicker({ onChoose }: { onChoose: (emoji: string) => void }) {
  return (
    <div className="h-80 w-76">
      <Suspense fallback={<p className="p-4 text-muted-foreground text-sm">Loading emojis…</p>}>
        <Picker onChoose={onChoose} />
      </Suspense>
    </div>
  );
}
