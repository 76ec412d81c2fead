import { Button } from "@/components/ui/button";
import { FileIcon, RefreshCwIcon, XIcon } from "@/components/ui/icons";
import { formatBytes } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { FILES_MAX, type Upload } from "../use-uploads";

interface UploadListProps {
  uploads: Upload[];
  /** Files that were left out because a message has no more. */
  refusedCount: number;
  /** Pictures that were pasted together with text. */
  offeredCount: number;
  onAttachOffered: () => void;
  onRetry: (key: string) => void;
  onRemove: (key: string) => void;
}

/** The files of the message that is being written, with their progress. */
export default function UploadList(props: UploadListProps) {
  const { uploads, refusedCount, offeredCount, onAttachOffered, onRetry, onRemove } = props;
  return (
    <div className="border-b p-2">
      {refusedCount > 0 && (
        <p role="alert" className="px-1 pb-2 text-destructive text-xs">
          {t.uploads.tooMany(FILES_MAX, refusedCount)}
        </p>
      )}
      {offeredCount > 0 && (
        <p role="status" className="px-1 pb-2 text-xs">
          {t.uploads.textPasted}{" "}
          <Button variant="link" size="text" onClick={onAttachOffered}>
            {t.uploads.attachPicture}
          </Button>
        </p>
      )}
      <ul aria-label={t.uploads.label} className="flex flex-wrap gap-2">
        {uploads.map((upload) => (
          <li
            key={upload.key}
            className="flex max-w-64 items-center gap-2 rounded-xl border bg-background py-1 pe-1 ps-2.5"
          >
            {upload.previewUrl ? (
              <img src={upload.previewUrl} alt="" className="size-9 shrink-0 rounded-md object-cover" />
            ) : (
              <FileIcon className="size-4.5 shrink-0 text-muted-foreground" />
            )}
            <span className="min-w-0 flex-1 text-xs">
              <bdi className="block truncate font-medium">{upload.name}</bdi>
              <UploadStatus upload={upload} />
            </span>
            {upload.error !== null && (
              <Button
                variant="ghost"
                size="iconSm"
                aria-label={t.uploads.again(upload.name)}
                onClick={() => onRetry(upload.key)}
              >
                <RefreshCwIcon className="size-4" />
              </Button>
            )}
            <Button
              variant="ghost"
              size="iconSm"
              aria-label={t.uploads.remove(upload.name)}
              onClick={() => onRemove(upload.key)}
            >
              <XIcon className="size-4" />
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function UploadStatus({ upload }: { upload: Upload }) {
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
      aria-label={t.uploads.uploading(upload.name)}
    />
  );
}
