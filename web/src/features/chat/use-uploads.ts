/** The files of the message that is being written: uploaded at once, stored with the draft until it is sent. */
import { useCallback, useEffect, useRef, useState } from "react";
import { type DraftFile, loadDraftFiles, removeDraftFiles, saveDraftFile } from "@/lib/draft-files";
import type { Attachment } from "@/lib/protocol";
import { createId } from "@/lib/random-id";
import { useChat } from "./chat-context";
import { errorText } from "./explain";

export interface Upload {
  key: string;
  name: string;
  size: number;
  /** An object URL of an image, for its thumbnail. */
  previewUrl: string | null;
  /** Between 0 and 1. */
  progress: number;
  attachment: Attachment | null;
  error: string | null;
}

/** The most files that one message may have. */
export const FILES_MAX = 10;

const PREVIEWED = /^image\/(png|jpeg|gif|webp|avif)$/;

/** `scope` is the key of the draft; the component that uses the hook has it as its key. */
export function useUploads(roomId: string, scope: string) {
  const { api } = useChat();
  const [uploads, setUploads] = useState<Upload[]>([]);
  /** How many files were left out because of FILES_MAX, at the last attempt. */
  const [refusedCount, setRefusedCount] = useState(0);
  const files = useRef(new Map<string, DraftFile & { abort: AbortController }>());
  const urls = useRef(new Map<string, string>());

  const patch = useCallback((key: string, change: Partial<Upload>) => {
    setUploads((now) => now.map((upload) => (upload.key === key ? { ...upload, ...change } : upload)));
  }, []);

  const run = useCallback(
    async (key: string) => {
      const entry = files.current.get(key);
      if (!entry) return;
      const abort = new AbortController();
      entry.abort = abort;
      patch(key, { error: null, progress: 0 });
      try {
        const file = new File([entry.file], entry.name, { type: entry.file.type });
        const onProgress = (progress: number) => patch(key, { progress });
        const attachment = await api.upload(roomId, file, { onProgress, signal: abort.signal });
        const { abort: _, ...stored } = { ...entry, attachment, uploadedAtMs: Date.now() };
        if (files.current.has(key)) void saveDraftFile(stored);
        patch(key, { attachment });
      } catch (failure) {
        if (!abort.signal.aborted) patch(key, { error: errorText(failure) });
      }
    },
    [api, roomId, patch],
  );

  const show = useCallback(
    (entries: DraftFile[]) => {
      for (const entry of entries) files.current.set(entry.key, { ...entry, abort: new AbortController() });
      const shown = entries.map(({ key, name, file, attachment }): Upload => {
        const previewUrl = PREVIEWED.test(file.type) ? URL.createObjectURL(file) : null;
        if (previewUrl) urls.current.set(key, previewUrl);
        return { key, name, size: file.size, previewUrl, progress: 0, attachment, error: null };
      });
      setUploads((now) => [...now, ...shown]);
      for (const { key, attachment } of entries) if (!attachment) void run(key);
    },
    [run],
  );

  const add = useCallback(
    (added: File[]) => {
      const free = Math.max(0, FILES_MAX - files.current.size);
      const order = Date.now();
      const entries = added.slice(0, free).map((file, at): DraftFile => {
        const { name } = file;
        return { key: createId(), scope, order: order + at, name, file, attachment: null, uploadedAtMs: 0 };
      });
      setRefusedCount(added.length - entries.length);
      for (const entry of entries) void saveDraftFile(entry);
      show(entries);
    },
    [scope, show],
  );

  const forget = useCallback((keys: string[]) => {
    for (const key of keys) {
      files.current.get(key)?.abort.abort();
      files.current.delete(key);
      URL.revokeObjectURL(urls.current.get(key) ?? "");
      urls.current.delete(key);
    }
    setUploads((now) => now.filter(({ key }) => !keys.includes(key)));
    setRefusedCount(0);
    void removeDraftFiles(keys);
  }, []);
  const remove = useCallback((key: string) => forget([key]), [forget]);
  const clear = useCallback(() => forget([...files.current.keys()]), [forget]);

  useEffect(() => {
    let isMounted = true;
    void loadDraftFiles(scope).then((stored) => {
      if (isMounted) show(stored.filter(({ key }) => !files.current.has(key)));
    });
    const [entries, previews] = [files.current, urls.current];
    return () => {
      isMounted = false;
      for (const { abort } of entries.values()) abort.abort();
      for (const url of previews.values()) URL.revokeObjectURL(url);
      entries.clear();
      previews.clear();
      setUploads([]);
    };
  }, [scope, show]);

  return { uploads, refusedCount, add, retry: run, remove, clear };
}
