import { Button } from "@/components/ui/button";
import { CloseIcon, FileIcon, RefreshIcon } from "@/components/ui/icons";
import { formatBytes } from "@/lib/text";
import type { Upload } from "../use-uploads";

interface UploadListProps {
  uploads: Upload[];
  onRetry: (key: string) => void;
  onRemove: (key: string) => void;
}

/** The files of the message that is being written, and how far each is. */
export function UploadList({ uploads, onRetry, onRemove }: UploadListProps) {
  if (uploads.length === 0) return null;
  return (
    <ul aria-label="Files to send" className="flex flex-wrap gap-2 border-b p-2">
      {uploads.map((one) => (
        <li
          key={one.key}
          className="flex max-w-64 items-center gap-2 rounded-xl border bg-background py-1 pr-1 pl-2.5"
        >
          <FileIcon className="size-4.5 shrink-0 text-muted-foreground" />
          <span className="min-w-0 flex-1 text-xs">
            <bdi className="block truncate font-medium">{one.name}</bdi>
            <State upload={one} />
          </span>
          {one.error !== null && (
            <Button
              variant="ghost"
              size="icon"
              className="size-7"
              aria-label={`Upload ${one.name} again`}
              onClick={() => onRetry(one.key)}
            >
              <RefreshIcon className="size-4" />
            </Button>
          )}
          <Button
            variant="ghost"
            size="icon"
            className="size-7"
            aria-label={`Remove ${one.name}`}
            onClick={() => onRemove(one.key)}
          >
            <CloseIcon className="size-4" />
          </Button>
        </li>
      ))}
    </ul>
  );
}

function State({ upload }: { upload: Upload }) {
  if (upload.error !== null)
    return (
      <span role="alert" className="block truncate text-destructive">
        {upload.error}
      </span>
    );
  if (upload.attachment) return <span className="text-muted-foreground">{formatBytes(upload.size)}</span>;
  return (
    <progress
      className="h-1 w-full"
      value={upload.progress}
      max={1}
      aria-label={`Uploading ${upload.name}`}
    />
  );
}
