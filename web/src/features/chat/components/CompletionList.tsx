/** The options for the text at the caret: people to mention, or emojis. The keys are handled by use-completion.tsx. */
import * as lucide from "lucide";
import { Avatar } from "@/components/ui/avatar";
import { icon } from "@/components/ui/icons";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import type { Option } from "../completion";

const UsersIcon = icon(lucide.Users);

interface CompletionListProps {
  /** The options are `id-0`, `id-1` and so on. */
  id: string;
  kind: "mention" | "emoji";
  options: Option[];
  chosen: Option | undefined;
  onChoose: (option: Option) => void;
}

export default function CompletionList({ id, kind, options, chosen, onChoose }: CompletionListProps) {
  return (
    <div
      id={id}
      role="listbox"
      aria-label={kind === "mention" ? t.input.peopleToMention : t.input.emojis}
      className="absolute end-4 bottom-full start-4 z-20 mb-1 max-w-72 animate-rise rounded-xl border bg-card p-1 shadow-lg"
    >
      {options.map((option, at) => (
        <button
          key={option.value}
          id={`${id}-${at}`}
          type="button"
          role="option"
          tabIndex={-1}
          aria-selected={option === chosen}
          // On pointerdown, before the field loses the focus.
          onPointerDown={(event) => {
            event.preventDefault();
            onChoose(option);
          }}
          className={cn(
            "flex w-full items-center gap-2.5 rounded-lg px-2 py-1.5 text-start text-sm",
            option === chosen && "bg-muted",
          )}
        >
          <OptionIcon kind={kind} value={option.value} />
          <bdi className="truncate">{option.label}</bdi>
        </button>
      ))}
    </div>
  );
}

function OptionIcon({ kind, value }: { kind: "mention" | "emoji"; value: string }) {
  if (kind === "emoji") return <span className="font-emoji text-xl">{value}</span>;
  return value === "room" ? <UsersIcon className="size-7 p-1" /> : <Avatar id={value} size="sm" />;
}
