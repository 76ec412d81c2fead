/** Full-text search in this room or in all rooms. A hit links to its message. */

import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { t } from "@/i18n/i18n";
import { ApiError } from "@/lib/http";
import type { SearchHit } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { queryWords } from "../excerpt";
import { errorText } from "../explain";
import { FoundMessage } from "./FoundMessage";

const PAUSE_MS = 300;

type SearchState =
  | { kind: "nothing" | "searching" }
  | { kind: "failed"; text: string }
  | { kind: "hits"; hits: SearchHit[]; nextCursor: string | null };

interface SearchPanelProps {
  /** `null`: no room is open, so all rooms are searched. */
  roomId: string | null;
  /** Called when a hit is opened. */
  onOpen?: () => void;
}

export default function SearchPanel({ roomId, onOpen }: SearchPanelProps) {
  const { api } = useChat();
  const [text, setText] = useState("");
  const [everywhere, setEverywhere] = useState(roomId === null);
  const [found, setFound] = useState<SearchState>({ kind: "nothing" });
  const field = useRef<HTMLInputElement>(null);
  const query = { q: text.trim(), ...(everywhere || roomId === null ? {} : { roomId }) };
  const key = JSON.stringify(query);
  useLayoutEffect(() => field.current?.focus(), []);

  useEffect(() => {
    const request: typeof query = JSON.parse(key);
    if (request.q === "") {
      setFound({ kind: "nothing" });
      return;
    }
    const stop = new AbortController();
    const timer = setTimeout(() => {
      setFound({ kind: "searching" });
      api.search(request, stop.signal).then(
        (page) => setFound({ kind: "hits", ...page }),
        (failure: unknown) => {
          if (!stop.signal.aborted) setFound({ kind: "failed", text: searchError(failure) });
        },
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [api, key]);

  const loadMore = async () => {
    if (found.kind !== "hits" || !found.nextCursor) return;
    try {
      const page = await api.search({ ...query, cursor: found.nextCursor });
      setFound({ ...page, kind: "hits", hits: [...found.hits, ...page.hits] });
    } catch (failure) {
      setFound({ kind: "failed", text: searchError(failure) });
    }
  };
  return (
    <search className="flex min-h-0 flex-1 flex-col">
      <div className="space-y-2 border-b p-3">
        <input
          ref={field}
          type="search"
          value={text}
          aria-label={t.search.label}
          placeholder={t.search.label}
          onChange={(event) => setText(event.target.value)}
          className="h-9 w-full rounded-lg border bg-background px-3 text-[1rem] sm:text-sm"
        />
        {roomId !== null && (
          <label className="flex items-center gap-2 text-muted-foreground text-xs">
            <input
              type="checkbox"
              checked={everywhere}
              onChange={(event) => setEverywhere(event.target.checked)}
              className="accent-primary"
            />
            {t.search.everywhere}
          </label>
        )}
      </div>
      <div aria-live="polite" className="min-h-0 flex-1 overflow-y-auto p-2">
        <Results
          found={found}
          words={queryWords(text)}
          onMore={() => void loadMore()}
          onOpen={onOpen}
          everywhere={everywhere}
        />
      </div>
    </search>
  );
}

interface ResultsProps {
  found: SearchState;
  words: string[];
  everywhere: boolean;
  onMore: () => void;
  onOpen: (() => void) | undefined;
}

/** A date in the wrong form is the only thing that a person can type wrong. */
const searchError = (failure: unknown): string =>
  failure instanceof ApiError && failure.code === "invalid" ? t.search.invalidDate : errorText(failure);

function Results({ found, words, everywhere, onMore, onOpen }: ResultsProps) {
  const note = "px-2 py-6 text-center text-muted-foreground text-sm";
  switch (found.kind) {
    case "nothing":
      return <p className={note}>{t.search.hint}</p>;
    case "searching":
      return <p className={note}>{t.search.searching}</p>;
    case "failed":
      return (
        <p role="alert" className={note}>
          {found.text}
        </p>
      );
    case "hits":
      if (found.hits.length === 0) return <p className={note}>{t.search.nothingFound}</p>;
      return (
        <>
          <ul className="space-y-1">
            {found.hits.map((hit) => (
              <li key={hit.message.id} className="text-sm">
                <FoundMessage
                  message={hit.message}
                  roomName={hit.roomName}
                  words={words}
                  showRoom={everywhere}
                  {...(onOpen && { onOpen })}
                />
              </li>
            ))}
          </ul>
          {found.nextCursor && (
            <Button variant="ghost" size="sm" className="mt-2 w-full" onClick={onMore}>
              {t.common.more}
            </Button>
          )}
        </>
      );
  }
}
