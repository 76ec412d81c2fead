import { EmojiPicker, type EmojiPickerListComponents } from "frimousse";
import { use } from "react";
import { t } from "@/i18n/i18n";
import { EmojiSource } from "./emoji-source";

/** frimousse counts rows and columns from 0, ARIA from 1. */
const fromOne = (props: React.AriaAttributes, name: "aria-rowindex" | "aria-colindex") => ({
  [name]: (props[name] ?? 0) + 1,
});

/** There is no data in every language; then it is English. */
const categoryName = (label: string): string => {
  const names: Record<string, string> = t.emojiPicker.categories;
  return names[label.toLowerCase()] ?? label;
};

const PARTS: EmojiPickerListComponents = {
  CategoryHeader: ({ category, ...props }) => (
    <div className="bg-card px-3 pt-3 pb-1.5 font-medium text-muted-foreground text-xs" {...props}>
      {categoryName(category.label)}
    </div>
  ),
  Row: ({ children, ...props }) => (
    <div className="scroll-my-1.5 px-1.5" {...props} {...fromOne(props, "aria-rowindex")}>
      {children}
    </div>
  ),
  Emoji: ({ emoji, ...props }) => (
    <button
      type="button"
      className="flex size-9 items-center justify-center rounded-lg font-emoji text-xl data-[active]:bg-muted"
      {...props}
      {...fromOne(props, "aria-colindex")}
    >
      {emoji.emoji}
    </button>
  ),
};

export default function EmojiPickerList({ onChoose }: { onChoose: (emoji: string) => void }) {
  const source = use(EmojiSource);
  return (
    <EmojiPicker.Root
      emojibaseUrl={source}
      locale={t.locale === "de" ? "de" : "en"}
      columns={8}
      onEmojiSelect={({ emoji }) => onChoose(emoji)}
      className="isolate flex h-full flex-col"
    >
      <div className="p-2">
        <EmojiPicker.Search
          autoFocus
          placeholder={t.emojiPicker.search}
          aria-label={t.emojiPicker.search}
          className="h-9 w-full rounded-lg border bg-background px-3 text-[1rem] sm:text-sm"
        />
      </div>
      <EmojiPicker.Viewport className="relative flex-1 outline-hidden">
        <EmojiPicker.Loading className="p-4 text-muted-foreground text-sm">
          {t.emojiPicker.loading}
        </EmojiPicker.Loading>
        <EmojiPicker.Empty className="p-4 text-muted-foreground text-sm">
          {t.emojiPicker.empty}
        </EmojiPicker.Empty>
        <EmojiPicker.List className="select-none pb-1.5" components={PARTS} />
      </EmojiPicker.Viewport>
    </EmojiPicker.Root>
  );
}
