/** People: one person's profile, and the directory. */
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";
import { t } from "@/i18n/i18n";
import type { Person } from "@/lib/people";
import { useChat } from "./chat-context";
import { isMatch } from "./completion";
import { errorText } from "./explain";

/** The person as far as it is known; the component renders again when the profile arrives or changes. */
export function usePerson(userId: string): Person {
  const { people } = useChat();
  const subscribe = useCallback(
    (listener: () => void) => people.subscribe(userId, listener),
    [people, userId],
  );
  return useSyncExternalStore(subscribe, () => people.get(userId));
}

export { usePeople } from "./chat-context";

/** Whether somebody can be reached, in words. */
export const presenceText = ({ presence, hasCome }: Person): string =>
  hasCome === false && presence !== "online" ? t.card.notHereYet : t.card.presence[presence ?? "offline"];

/** Whether the user has blocked this person; `null`: not known yet. */
export function useBlock(userId: string): [boolean | null, (isBlocked: boolean) => Promise<void>] {
  const { blocks } = useChat();
  const ids = useSyncExternalStore(blocks.subscribe, blocks.getSnapshot);
  return [ids?.has(userId) ?? null, (isBlocked) => blocks.set(userId, isBlocked)];
}

/** An answer of the directory, and to what. */
type Found = { query: string | null; people: Person[]; cursor: string | null };

export interface Directory {
  people: Person[];
  isLoading: boolean;
  hasMore: boolean;
  loadMore: () => void;
  error: string | null;
}

/** A person who types is not asked for after each letter. */
const PAUSE_MS = 150;

/** People by parts of their names and ids; `null` asks for nobody. The answer to an earlier query is shown until the next one arrives. */
export function useDirectory(q: string | null): Directory {
  const { api, people: cache } = useChat();
  const [found, setFound] = useState<Found>({ query: null, people: [], cursor: null });
  const [isLoading, setLoading] = useState(true);
  const [error, setError] = useState<string | null>(null);
  const load = useCallback(
    async (query: string, cursor: string | undefined, signal?: AbortSignal) => {
      setLoading(true);
      setError(null);
      try {
        const page = await api.people({ ...(query && { q: query }), ...(cursor && { cursor }) }, signal);
        for (const person of page.people) cache.put(person);
        setFound((now) => ({
          query,
          people: [...(cursor ? now.people : []), ...page.people],
          cursor: page.nextCursor,
        }));
      } catch (failure) {
        if (signal?.aborted) return;
        setError(errorText(failure));
      }
      setLoading(false);
    },
    [api, cache],
  );
  const query = q === null ? null : q.trim();
  useEffect(() => {
    if (query === null) return;
    const stop = new AbortController();
    const timer = setTimeout(() => void load(query, undefined, stop.signal), query === "" ? 0 : PAUSE_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [query, load]);
  const { cursor } = found;
  // Until the answer comes, those of the last one that fit: whoever presses Enter meanwhile gets nobody else.
  const isCurrent = found.query === query;
  return {
    people: isCurrent ? found.people : found.people.filter((person) => isMatch(person, query ?? "")),
    isLoading: isLoading || (!isCurrent && error === null),
    hasMore: isCurrent && cursor !== null,
    loadMore: () => void (query !== null && cursor !== null && load(query, cursor)),
    error,
  };
}
