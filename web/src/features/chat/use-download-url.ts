/** Where an attachment can be loaded from. */

import { useEffect, useRef, useState } from "react";
import { ApiError } from "@/lib/http";
import { useChat } from "./chat-context";

/** Loads that fail within this time of the last one are not tried again: the file is gone. */
const RENEW_AFTER_MS = 10_000;

/**
 * A URL for the attachment. It is valid for five minutes: an element that loads it later calls `renew` on its error.
 * Where the server signs no URLs, it is an object URL of the whole file.
 */
export function useDownloadUrl(id: string): { url: string | null; failed: boolean; renew: () => void } {
  const { api } = useChat();
  const [url, setUrl] = useState<string | null>(null);
  const [failed, setFailed] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const asked = useRef(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt asks for another URL.
  useEffect(() => {
    const stop = new AbortController();
    let objectUrl: string | null = null;
    asked.current = Date.now();
    const blobUrl = async (failure: unknown) => {
      if (!(failure instanceof ApiError) || failure.status !== 503) throw failure;
      objectUrl = URL.createObjectURL(await api.download(id, stop.signal));
      return objectUrl;
    };
    const use = (found: string) => {
      if (!stop.signal.aborted) setUrl(found);
      else if (objectUrl) URL.revokeObjectURL(objectUrl);
    };
    const fail = () => {
      if (!stop.signal.aborted) setFailed(true);
    };
    api.downloadUrl(id).catch(blobUrl).then(use, fail);
    return () => {
      stop.abort();
      if (objectUrl) URL.revokeObjectURL(objectUrl);
    };
  }, [api, id, attempt]);
  const renew = () => {
    if (Date.now() - asked.current < RENEW_AFTER_MS) setFailed(true);
    else setAttempt((last) => last + 1);
  };
  return { url, failed, renew };
}
