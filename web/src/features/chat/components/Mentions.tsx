/** Completion of mentions: finds the `@` at the caret and lists the people who match. */

import { Avatar } from "@/components/ui/avatar";
import { UsersIcon } from "@/components/ui/icons";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";

/** The mention at the caret: the position of its `@`, and the text after it. */
export function mentionAtCaret(text: string, caret: number): { from: number; query: string } | null {
  const found = /(?:^|[\s([{])@([^\s@<>]{0,64})$/.exec(text.slice(0, caret));
  const query = found?.[1];
  return query === undefined ? null : { from: caret - query.length - 1, query };
}

const OPTIONS_MAX = 6;

/** The people whose id contains the query; ids that start with it come first. */
export function matchPeople(people: string[], query: string): string[] {
  const wanted = query.toLowerCase();
  const named = people.filter((person) => person.toLowerCase().includes(wanted));
  const rank = (person: string) => (person.toLowerCase().startsWith(wanted) ? 0 : 1);
  return named.sort((a, b) => rank(a) - rank(b)).slice(0, OPTIONS_MAX);
}

interface MentionsProps {
  options: string[];
  chosen: string | undefined;
  onChoose: (person: string) => void;
}

export function Mentions({ options, chosen, onChoose }: MentionsProps) {
  return (
    <div
      role="listbox"
      aria-label={t.input.peopleToMention}
      className="absolute right-4 bottom-full left-4 z-20 mb-1 max-w-72 animate-rise rounded-xl border bg-card p-1 shadow-lg"
    >
      {options.map((person) => (
        <button
          key={person}
          type="button"
          role="option"
          tabIndex={-1}
          aria-selected={person === chosen}
          // On pointerdown, before the field loses the focus.
          onPointerDown={(event) => {
            event.preventDefault();
            onChoose(person);
          }}
          className={cn(
            "flex w-full items-center gap-2.5 rounded-lg px-2 py-1.5 text-left text-sm",
            person === chosen && "bg-muted",
          )}
        >
          {person === "room" ? <UsersIcon className="size-7 p-1" /> : <Avatar id={person} size="sm" />}
          <bdi className="truncate">{person === "room" ? t.input.mentionRoom : person}</bdi>
        </button>
      ))}
      <span className="sr-only" aria-live="polite">
        {chosen}
      </span>
    </div>
  );
}
