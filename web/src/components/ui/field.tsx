import { useId } from "react";
import { cn } from "@/lib/cn";

const box =
  "w-full rounded-lg border bg-background px-3 text-[1rem] shadow-xs placeholder:text-muted-foreground/80 sm:text-sm";

export interface FieldProps extends React.ComponentProps<"input"> {
  label: string;
  hint?: React.ReactNode;
}

/** A labelled input with an optional hint below it. */
export function Field({ label, hint, className, ...props }: FieldProps) {
  const id = useId();
  return (
    <div className={className}>
      <label htmlFor={id} className="mb-1.5 block font-medium text-sm">
        {label}
      </label>
      <input
        id={id}
        // A value of the other direction would be cut at its beginning.
        dir="auto"
        className={cn(box, "h-10")}
        {...(hint ? { "aria-describedby": `${id}-hint` } : {})}
        {...props}
      />
      {hint && (
        <p id={`${id}-hint`} className="mt-1.5 text-muted-foreground text-xs">
          {hint}
        </p>
      )}
    </div>
  );
}

export function TextAreaField({ label, ...props }: { label: string } & React.ComponentProps<"textarea">) {
  const id = useId();
  return (
    <div>
      <label htmlFor={id} className="mb-1.5 block font-medium text-sm">
        {label}
      </label>
      <textarea id={id} dir="auto" className={cn(box, "resize-none py-2 font-mono")} {...props} />
    </div>
  );
}

export function FormError({ children }: { children: React.ReactNode }) {
  if (!children) return null;
  return (
    <p role="alert" className="text-destructive text-sm">
      {children}
    </p>
  );
}
