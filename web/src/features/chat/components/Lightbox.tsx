import { useLayoutEffect, useRef } from "react";
import { XIcon } from "@/components/ui/icons";
import { t } from "@/i18n/i18n";

interface LightboxProps {
  url: string;
  name: string;
  onError: () => void;
  onClose: () => void;
}

/** An image as large as the screen allows. */
export default function Lightbox({ url, name, onError, onClose }: LightboxProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      onClose={onClose}
      aria-label={name}
      className="fixed inset-0 m-0 size-full max-h-none max-w-none bg-transparent p-0"
    >
      <button
        type="button"
        aria-label={t.attachments.closePicture}
        onClick={() => dialog.current?.close()}
        className="flex size-full cursor-zoom-out items-center justify-center p-4"
      >
        <img
          src={url}
          alt={name}
          onError={onError}
          className="max-h-full max-w-full rounded-lg object-contain shadow-2xl"
        />
      </button>
      <span className="pointer-events-none absolute top-4 end-4 flex size-10 items-center justify-center rounded-full bg-black/50 text-white">
        <XIcon />
      </span>
    </dialog>
  );
}
