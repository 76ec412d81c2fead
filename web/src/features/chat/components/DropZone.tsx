import { useState } from "react";
import { PaperclipIcon } from "@/components/ui/icons";
import { t } from "@/i18n/i18n";

interface DropZoneProps {
  className?: string;
  disabled: boolean;
  onFiles: (files: File[]) => void;
  children: React.ReactNode;
}

/** Accepts files that are dropped anywhere on it. */
export function DropZone({ className, disabled, onFiles, children }: DropZoneProps) {
  const [over, setOver] = useState(false);
  const carriesFiles = (event: React.DragEvent) => !disabled && event.dataTransfer.types.includes("Files");
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the attach button does the same by keyboard
    <div
      className={`relative ${className ?? ""}`}
      onDragOver={(event) => {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
      }}
      onDrop={(event) => {
        setOver(false);
        if (!carriesFiles(event)) return;
        event.preventDefault();
        onFiles([...event.dataTransfer.files]);
      }}
    >
      {children}
      {over && (
        <div className="pointer-events-none absolute inset-2 z-30 flex items-center justify-center gap-2 rounded-2xl border-2 border-ring border-dashed bg-card/90 font-medium">
          <PaperclipIcon /> {t.input.dropToAttach}
        </div>
      )}
    </div>
  );
}
