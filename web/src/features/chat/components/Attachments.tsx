/** What a message carries: pictures as pictures, anything else as a card that downloads it. */
import { useEffect, useState } from "react";
import { DownloadIcon, FileIcon } from "@/components/ui/icons";
import { cn } from "@/lib/cn";
import type { Attachment } from "@/lib/protocol";
import { formatBytes } from "@/lib/text";
import { useChat } from "../chat-context";
import { errorText } from "../explain";
import { Lightbox } from "./Lightbox";

/** Raster formats alone: an SVG is a document that can run things. */
const PREVIEWED = /^image\/(png|jpeg|gif|webp|avif)$/;
/** A larger picture is only loaded when it is asked for. */
const PREVIEW_MAX_BYTES = 8 * 1024 * 1024;

export const isPicture = (file: { mimeType: string }): boolean => PREVIEWED.test(file.mimeType);

export function Attachments({ all }: { all: Attachment[] }) {
  return (
    <ul aria-label="Attachments" className="mt-1 flex max-w-full flex-wrap gap-1.5">
      {all.map((file) => (
        <li key={file.id ?? file.url} className="max-w-full">
          {file.id !== undefined && isPicture(file) && file.size <= PREVIEW_MAX_BYTES ? (
            <Picture file={file} id={file.id} />
          ) : (
            <FileCard file={file} />
          )}
        </li>
      ))}
    </ul>
  );
}

const BOX = { width: 320, height: 240 };

function Picture({ file, id }: { file: Attachment; id: string }) {
  const { url, failed } = useBytes(id);
  const [large, setLarge] = useState(false);
  // Its place is kept before it is there, so that nothing jumps.
  const [width, height] = [file.width ?? BOX.width, file.height ?? BOX.height];
  const scale = Math.min(1, BOX.width / width, BOX.height / height);
  const place = { width: Math.max(48, width * scale), height: Math.max(48, height * scale) };
  if (failed) return <FileCard file={file} />;
  return (
    <>
      <button
        type="button"
        aria-label={`Show ${file.name}`}
        onClick={() => setLarge(true)}
        style={place}
        className={cn("block max-w-full overflow-hidden rounded-xl border bg-muted", !url && "animate-pulse")}
      >
        {url && <img src={url} alt={file.name} className="size-full object-cover" />}
      </button>
      {large && url && <Lightbox url={url} name={file.name} onClose={() => setLarge(false)} />}
    </>
  );
}

/** The bytes as an address of this page's own, for as long as they are shown. */
function useBytes(id: string): { url: string | null; failed: boolean } {
  const { api } = useChat();
  const [url, setUrl] = useState<string | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    const stop = new AbortController();
    let made: string | null = null;
    api.download(id, stop.signal).then(
      (blob) => {
        // The server says what it is; what isn't a picture after all isn't shown as one.
        if (!isPicture({ mimeType: blob.type })) return setFailed(true);
        if (stop.signal.aborted) return;
        made = URL.createObjectURL(blob);
        setUrl(made);
      },
      () => {
        if (!stop.signal.aborted) setFailed(true);
      },
    );
    return () => {
      stop.abort();
      if (made) URL.revokeObjectURL(made);
    };
  }, [api, id]);
  return { url, failed };
}

function FileCard({ file }: { file: Attachment }) {
  const { api } = useChat();
  const [state, setState] = useState<"idle" | "busy" | string>("idle");
  const look =
    "flex max-w-full items-center gap-2.5 rounded-xl border bg-card px-3 py-2 text-left text-sm hover:bg-muted";
  const inside = (
    <>
      <FileIcon className="size-5 shrink-0 text-muted-foreground" />
      <span className="min-w-0">
        <bdi className="block truncate font-medium">{file.name}</bdi>
        <span className="block text-muted-foreground text-xs">
          {state === "idle" ? formatBytes(file.size) : state === "busy" ? "Downloading…" : state}
        </span>
      </span>
      <DownloadIcon className="size-4.5 shrink-0 text-muted-foreground" />
    </>
  );
  const { id } = file;
  if (id === undefined)
    return (
      <a href={file.url} target="_blank" rel="noopener nofollow noreferrer" className={look}>
        {inside}
      </a>
    );
  const download = async () => {
    setState("busy");
    try {
      save(await api.download(id), file.name);
      setState("idle");
    } catch (failure) {
      setState(errorText(failure));
    }
  };
  return (
    <button type="button" onClick={() => void download()} className={look}>
      <span className="sr-only">Download </span>
      {inside}
    </button>
  );
}

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
