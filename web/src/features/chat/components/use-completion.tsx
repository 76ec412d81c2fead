import { use, useEffect, useId, useState } from "react";
import { isComposing } from "@/components/chat/composition";
import { EmojiSource } from "@/components/ui/emoji-source";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { type Profile, useProfiles } from "@/components/ui/person";
import { t } from "@/i18n/i18n";
import type { MentionNames } from "@/lib/markdown";
import { type Completion, completionAt, matchPeople, type Option } from "../completion";
import { useSelection } from "./use-selection";

const CompletionList = lazyWithRetry(() => import("./CompletionList"), true);

/** Completion while the person types `@…` or `:…`: the options, and the keys that choose among them. */
export function useCompletion(
  text: string,
  setText: (text: string) => void,
  field: React.RefObject<HTMLTextAreaElement | null>,
  people: string[],
  names: MentionNames,
) {
  const profiles = useProfiles(people);
  const listId = useId();
  const select = useSelection(field);
  const [caret, setCaret] = useState(0);
  const [at, setAt] = useState(0);
  const [closedFor, setClosedFor] = useState<string | null>(null);
  // Not `onSelect`: React synthesizes that event, Preact has only the native one, which caret movements don't fire.
  useEffect(() => {
    const follow = () => {
      const element = field.current;
      if (!element || document.activeElement !== element) return;
      setCaret(element.selectionStart);
      setAt(0);
    };
    document.addEventListener("selectionchange", follow);
    return () => document.removeEventListener("selectionchange", follow);
  }, [field]);
  const found = completionAt(text, caret);
  const emojis = useEmojiOptions(found);
  const matches =
    found?.kind === "mention"
      ? matchPeople(profiles, found.query).map((person) => mentionOption(person, names))
      : emojis;
  const options = found === null || closedFor === found.query ? [] : matches;
  const chosen = options[Math.min(at, options.length - 1)];
  const choose = ({ insert }: Option) => {
    if (!found) return;
    const end = found.from + insert.length + 1;
    setText(`${text.slice(0, found.from)}${insert} ${text.slice(caret)}`);
    setCaret(end);
    setAt(0);
    select(end, end);
  };
  return {
    onKeyDown: (event: React.KeyboardEvent): boolean => {
      if (!chosen) return false;
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const isChoice = event.key === "Tab" || (event.key === "Enter" && !event.shiftKey);
      if (step) setAt((Math.min(at, options.length - 1) + step + options.length) % options.length);
      else if (isChoice && !isComposing(event)) choose(chosen);
      else if (event.key === "Escape") setClosedFor(found?.query ?? null);
      else return false;
      event.preventDefault();
      event.stopPropagation();
      return true;
    },
    /** For the field: a screen reader hears which option is chosen while the focus stays in the text. */
    field: {
      "aria-autocomplete": "list",
      "aria-controls": chosen ? listId : undefined,
      "aria-activedescendant": chosen ? `${listId}-${options.indexOf(chosen)}` : undefined,
    } as const,
    list: found && options.length > 0 && (
      <CompletionList id={listId} kind={found.kind} options={options} chosen={chosen} onChoose={choose} />
    ),
  };
}

const mentionOption = ({ userId, name }: Profile, names: MentionNames): Option => ({
  value: userId,
  label: userId === "room" ? t.input.mentionRoom : name,
  insert: `@${names.typed(userId)}`,
});

/** The emojis for `:query`. The search and its data are loaded when it is used for the first time. */
function useEmojiOptions(found: Completion | null): Option[] {
  const source = use(EmojiSource);
  const query = found?.kind === "emoji" ? found.query : null;
  const [result, setResult] = useState<{ query: string; options: Option[] } | null>(null);
  useEffect(() => {
    if (query === null) return;
    let isCurrent = true;
    import("../emoji-search")
      .then(({ searchEmojis }) => searchEmojis(source, query))
      .then((matches) => {
        const options = matches.map(({ emoji, label }) => ({ value: emoji, label, insert: emoji }));
        if (isCurrent) setResult({ query, options });
      })
      // Offline the text simply stays as it is.
      .catch(() => {});
    return () => {
      isCurrent = false;
    };
  }, [source, query]);
  return result !== null && result.query === query ? result.options : NO_OPTIONS;
}

const NO_OPTIONS: Option[] = [];
