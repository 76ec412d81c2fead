import { useState } from "react";
import { isComposing } from "@/components/chat/composition";
import { Mentions, matchPeople, mentionAtCaret } from "./Mentions";

/** Completion while the person types `@…`: the matching people, and the keys that choose among them. */
export function useMention(
  text: string,
  setText: (text: string) => void,
  field: React.RefObject<HTMLTextAreaElement | null>,
  people: string[],
) {
  const [caret, setCaret] = useState(0);
  const [at, setAt] = useState(0);
  const [closedFor, setClosedFor] = useState<string | null>(null);
  const found = mentionAtCaret(text, caret);
  const options = found === null || closedFor === found.query ? [] : matchPeople(people, found.query);
  const chosen = options[Math.min(at, options.length - 1)];
  const choose = (person: string) => {
    if (!found) return;
    const next = `${text.slice(0, found.from)}@${person} ${text.slice(caret)}`;
    const end = found.from + person.length + 2;
    setText(next);
    setCaret(end);
    setAt(0);
    requestAnimationFrame(() => {
      field.current?.focus();
      field.current?.setSelectionRange(end, end);
    });
  };
  return {
    onSelect: (event: React.SyntheticEvent<HTMLTextAreaElement>) => {
      setCaret(event.currentTarget.selectionStart);
      setAt(0);
    },
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
    list: options.length > 0 && <Mentions options={options} chosen={chosen} onChoose={choose} />,
  };
}
