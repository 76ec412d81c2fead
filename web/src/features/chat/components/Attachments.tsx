/** The attachments of a message: images are shown, videos and sound play in place, other files are cards. */

import { useState } from "react";
import { DownloadIcon, FileIcon } from "@/components/ui/icons";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { formatBytes } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";
import type { Attachment } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { errorText } from "../explain";
import { useDownloadUrl } from "../use-download-url";

const Lightbox = lazyWithRetry(() => import("./Lightbox"), true);

/** Raster formats only: an SVG can contain scripts. */
const PREVIEWED = /^image\/(png|jpeg|gif|webp|avif)$/;
/** What browsers play. */
const PLAYED = /^(video\/(mp4|webm)|audio\/(mpeg|ogg|opus|webm|mp4|m4a|aac|x-wav|x-flac))$/;
/** A larger image is not loaded automatically. */
const PREVIEW_MAX_BYTES = 8 * 1024 * 1024;

const isImage = (file: { mimeType: string }): boolean => PREVIEWED.test(file.mimeType);

export default function Attachments({ id, files }: { id?: string; files: Attachment[] }) {
  return (
    <ul id={id} aria-label={t.attachments.label} className="mt-1 flex max-w-full flex-wrap gap-1.5">
      {files.map((file) => (
        <li key={file.id ?? file.url} className="max-w-full">
          {file.id !== undefined && isImage(file) && file.size <= PREVIEW_MAX_BYTES ? (
            <ImageAttachment file={file} id={file.id} />
          ) : file.id !== undefined && PLAYED.test(file.mimeType) ? (
            <PlayedAttachment file={file} id={file.id} />
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
  // By its proportions: where it is narrower than that, it is lower too, and nothing is cut off.
  const [shownWidth, shownHeight] = [Math.max(48, width * scale), Math.max(48, height * scale)];
  const size = { width: shownWidth, aspectRatio: `${shownWidth} / ${shownHeight}` };
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

/** Plays in place. The browser loads ranges, and nothing but the length before somebody plays it. */
function PlayedAttachment({ file, id }: { file: Attachment; id: string }) {
  const { url, failed, renew } = useDownloadUrl(id);
  if (failed) return <FileCard file={file} />;
  const media = {
    src: url ?? undefined,
    "aria-label": file.name,
    onError: renew,
    controls: true,
    preload: "metadata",
  } as const;
  if (file.mimeType.startsWith("video/"))
    return <video {...media} className="block h-60 w-80 max-w-full rounded-xl border bg-muted" />;
  return (
    <figure className="max-w-full rounded-xl border bg-card px-3 py-2 text-sm">
      <figcaption className="truncate pb-1.5 font-medium">
        <bdi>{file.name}</bdi>
      </figcaption>
      <audio {...media} className="block h-10 w-72 max-w-full" />
    </figure>
  );
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
