/** The attachments of a message: images and videos are shown, other files are cards that download them. */

import { useEffect, useRef, useState } from "react";
import { DownloadIcon, FileIcon } from "@/components/ui/icons";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { formatBytes } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import { ApiError } from "@/lib/http";
import type { Attachment } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { errorText } from "../explain";

const Lightbox = lazyWithRetry(() => import("./Lightbox"), true);

/** Raster formats only: an SVG can contain scripts. */
const PREVIEWED = /^image\/(png|jpeg|gif|webp|avif)$/;
/** What browsers play. The player loads ranges, and nothing before somebody plays it but its length. */
const VIDEO = /^video\/(mp4|webm)$/;
/** A larger image is not loaded automatically. */
const PREVIEW_MAX_BYTES = 8 * 1024 * 1024;

export const isImage = (file: { mimeType: string }): boolean => PREVIEWED.test(file.mimeType);

export function Attachments({ files }: { files: Attachment[] }) {
  return (
    <ul aria-label={t.attachments.label} className="mt-1 flex max-w-full flex-wrap gap-1.5">
      {files.map((file) => (
        <li key={file.id ?? file.url} className="max-w-full">
          {file.id !== undefined && isImage(file) && file.size <= PREVIEW_MAX_BYTES ? (
            <ImageAttachment file={file} id={file.id} />
          ) : file.id !== undefined && VIDEO.test(file.mimeType) ? (
            <VideoAttachment file={file} id={file.id} />
          ) : (
            <FileCard file={file} />
          )}
        </li>
      ))}
    </ul>
  );
}

const BOX = { width: 320, height: 240 };

function ImageAttachment({ file, id }: { file: Attachment; id: string }) {
  const { url, failed, renew } = useDownloadUrl(id);
  const [large, setLarge] = useState(false);
  // The image's space is reserved before it is loaded, so that nothing moves.
  const [width, height] = [file.width ?? BOX.width, file.height ?? BOX.height];
  const scale = Math.min(1, BOX.width / width, BOX.height / height);
  const size = { width: Math.max(48, width * scale), height: Math.max(48, height * scale) };
  if (failed) return <FileCard file={file} />;
  return (
    <>
      <button
        type="button"
        aria-label={t.attachments.show(file.name)}
        onClick={() => setLarge(true)}
        style={size}
        className={cn("block max-w-full overflow-hidden rounded-xl border bg-muted", !url && "animate-pulse")}
      >
        {url && <img src={url} alt={file.name} onError={renew} className="size-full object-cover" />}
      </button>
      {large && url && (
        <Lightbox url={url} name={file.name} onError={renew} onClose={() => setLarge(false)} />
      )}
    </>
  );
}

function VideoAttachment({ file, id }: { file: Attachment; id: string }) {
  const { url, failed, renew } = useDownloadUrl(id);
  if (failed) return <FileCard file={file} />;
  return (
    // biome-ignore lint/a11y/useMediaCaption: people send videos without captions.
    <video
      src={url ?? undefined}
      aria-label={file.name}
      onError={renew}
      controls
      preload="metadata"
      style={{ width: BOX.width, height: BOX.height }}
      className="block max-w-full rounded-xl border bg-muted"
    />
  );
}

/** Loads that fail within this time of the last one are not tried again: the file is gone. */
const RENEW_AFTER_MS = 10_000;

/**
 * A URL for the attachment. It is valid for five minutes: an element that loads it later calls `renew` on its error.
 * Where the server signs no URLs, it is an object URL of the whole file.
 */
function useDownloadUrl(id: string): { url: string | null; failed: boolean; renew: () => void } {
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

function FileCard({ file }: { file: Attachment }) {
  const { api } = useChat();
  const [state, setState] = useState<"idle" | "busy" | string>("idle");
  const className =
    "flex max-w-full items-center gap-2.5 rounded-xl border bg-card px-3 py-2 text-start text-sm hover:bg-muted";
  const content = (
    <>
      <FileIcon className="size-5 shrink-0 text-muted-foreground" />
      <span className="min-w-0">
        <bdi className="block truncate font-medium">{file.name}</bdi>
        <span className="block text-muted-foreground text-xs">
          {state === "idle" ? formatBytes(file.size) : state === "busy" ? t.attachments.downloading : state}
        </span>
      </span>
      <DownloadIcon className="size-4.5 shrink-0 text-muted-foreground" />
    </>
  );
  const { id } = file;
  if (id === undefined)
    return (
      <a href={file.url} target="_blank" rel="noopener nofollow noreferrer" className={className}>
        {content}
      </a>
    );
  const download = async () => {
    setState("busy");
    try {
      saveFile(await api.download(id), file.name);
      setState("idle");
    } catch (failure) {
      setState(errorText(failure));
    }
  };
  return (
    <button type="button" onClick={() => void download()} className={className}>
      <span className="sr-only">{t.attachments.download} </span>
      {content}
    </button>
  );
}

function saveFile(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
