/** Full-text search in this room or in all rooms. A hit links to its message. */

import { useEffect, useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { formatShortDate } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { plainText } from "@/lib/markdown";
import type { SearchHit } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { errorText } from "../explain";
import { roomHref } from "../route";

const PAUSE_MS = 300;

type SearchState =
  | { kind: "nothing" | "searching" }
  | { kind: "failed"; text: string }
  | { kind: "hits"; hits: SearchHit[]; nextCursor: string | null };

export default function SearchPanel({ roomId }: { roomId: string }) {
  const { api } = useChat();
  const [text, setText] = useState("");
  const [everywhere, setEverywhere] = useState(false);
  const [found, setFound] = useState<SearchState>({ kind: "nothing" });
  const field = useRef<HTMLInputElement>(null);
  const query = { q: text.trim(), ...(everywhere ? {} : { roomId }) };
  const key = JSON.stringify(query);
  useEffect(() => field.current?.focus(), []);

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
          if (!stop.signal.aborted) setFound({ kind: "failed", text: errorText(failure) });
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
      setFound({ kind: "failed", text: errorText(failure) });
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
          className="h-9 w-full rounded-lg border bg-background px-3 text-[16px] sm:text-sm"
        />
        <label className="flex items-center gap-2 text-muted-foreground text-xs">
          <input
            type="checkbox"
            checked={everywhere}
            onChange={(event) => setEverywhere(event.target.checked)}
            className="accent-primary"
          />
          {t.search.everywhere}
        </label>
      </div>
      <div aria-live="polite" className="min-h-0 flex-1 overflow-y-auto p-2">
        <Results found={found} onMore={() => void loadMore()} everywhere={everywhere} />
      </div>
    </search>
  );
}

function Results({
  found,
  everywhere,
  onMore,
}: {
  found: SearchState;
  everywhere: boolean;
  onMore: () => void;
}) {
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
              <Hit key={hit.message.id} hit={hit} everywhere={everywhere} />
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

function Hit({ hit: { message, roomName }, everywhere }: { hit: SearchHit; everywhere: boolean }) {
  return (
    <li>
      <a
        href={roomHref(message.roomId, message.seq)}
        className="block rounded-lg px-2.5 py-2 text-sm hover:bg-muted"
      >
        <span className="flex items-baseline gap-2">
          <bdi className="min-w-0 flex-1 truncate font-medium">{message.userId}</bdi>
          <time dateTime={message.createdAt} className="shrink-0 text-[11px] text-muted-foreground">
            {formatShortDate(message.createdAt)}
          </time>
        </span>
        {everywhere && roomName && (
          <bdi className="block truncate text-muted-foreground text-xs">{roomName}</bdi>
        )}
        <span className="line-clamp-3 text-[13px] [overflow-wrap:anywhere]">
          {plainText(message.content) || message.attachments.map((file) => file.name).join(", ")}
        </span>
      </a>
    </li>
  );
}
