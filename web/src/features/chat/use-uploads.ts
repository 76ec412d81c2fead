/** The uploads of the message that is being written. */
import { useCallback, useEffect, useRef, useState } from "react";
import type { Attachment } from "@/lib/protocol";
import { useChat } from "./chat-context";
import { errorText } from "./explain";

export interface Upload {
  key: string;
  name: string;
  size: number;
  /** Between 0 and 1. */
  progress: number;
  attachment: Attachment | null;
  error: string | null;
}

/** The most files that one message may have. */
export const FILES_MAX = 10;

export function useUploads(roomId: string) {
  const { api } = useChat();
  const [uploads, setUploads] = useState<Upload[]>([]);
  const running = useRef(new Map<string, { stop: AbortController; file: File }>());

  const patch = useCallback((key: string, change: Partial<Upload>) => {
    setUploads((now) => now.map((upload) => (upload.key === key ? { ...upload, ...change } : upload)));
  }, []);

  const run = useCallback(
    async (key: string, file: File) => {
      const stop = new AbortController();
      running.current.set(key, { stop, file });
      patch(key, { error: null, progress: 0 });
      try {
        const onProgress = (progress: number) => patch(key, { progress });
        patch(key, { attachment: await api.upload(roomId, file, { onProgress, signal: stop.signal }) });
      } catch (failure) {
        if (!stop.signal.aborted) patch(key, { error: errorText(failure) });
      }
    },
    [api, roomId, patch],
  );

  const add = useCallback(
    (files: File[]) => {
      const free = FILES_MAX - running.current.size;
      const accepted = files.slice(0, Math.max(0, free)).map((file) => ({ key: crypto.randomUUID(), file }));
      setUploads((now) => [
        ...now,
        ...accepted.map(({ key, file: { name, size } }): Upload => {
          return { key, name, size, progress: 0, attachment: null, error: null };
        }),
      ]);
      for (const { key, file } of accepted) void run(key, file);
      return accepted.length === files.length;
    },
    [run],
  );

  const retry = useCallback(
    (key: string) => {
      const known = running.current.get(key);
      if (known) void run(key, known.file);
    },
    [run],
  );

  const remove = useCallback((key: string) => {
    running.current.get(key)?.stop.abort();
    running.current.delete(key);
    setUploads((now) => now.filter((upload) => upload.key !== key));
  }, []);

  const clear = useCallback(() => {
    running.current.clear();
    setUploads([]);
  }, []);

  useEffect(() => {
    const all = running.current;
    return () => {
      for (const { stop } of all.values()) stop.abort();
    };
  }, []);

  return { uploads, add, retry, remove, clear };
}
