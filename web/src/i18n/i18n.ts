/**
 * The texts of the language in use. `t` is a live binding: components read it while they render, and a provider renders
 * again when the language changes (`useMessagesInUse`). English is part of the page; another language is one file
 * `messages.LANGUAGE.ts` with an export `messages: Messages`, loaded when it is chosen.
 */
import { useSyncExternalStore } from "react";
import { messages as english, type Messages } from "./messages.en";

export type { Messages };

export let t: Messages = english;

/** The other languages, each in a chunk of its own. */
const LOADERS: Record<string, () => Promise<{ messages: Messages }>> = {
  ar: () => import("./messages.ar"),
  de: () => import("./messages.de"),
};

const listeners = new Set<() => void>();

/** Uses other texts from now on: a language of the page, or the texts of an embedding product. */
export function setMessages(messages: Messages): void {
  t = messages;
  for (const listener of listeners) listener();
}

/** Loads and uses the first supported language of the list (`navigator.languages`). English needs no loading. */
export async function chooseLanguage(languages: readonly string[]): Promise<void> {
  for (const language of languages) {
    const base = language.split("-")[0] ?? "";
    if (base === "en") return setMessages(english);
    const load = LOADERS[base];
    // Without the chunk (offline) the next language of the list is better than no page.
    const loaded = await load?.().catch(() => null);
    if (loaded) return setMessages(loaded.messages);
  }
}

/** The texts in use. A component that calls this renders again when they change. */
export function useMessagesInUse(): Messages {
  return useSyncExternalStore(subscribe, () => t);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
