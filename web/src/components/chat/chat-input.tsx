import { useImperativeHandle, useLayoutEffect, useRef } from "react";
import { cn } from "@/lib/cn";
import { isComposing } from "./composition";

export interface ChatInputProps extends React.ComponentProps<"textarea"> {
  value: string;
  /** Called on Enter without Shift, but not while an input method is composing. */
  onSubmitText: () => void;
  /** Whether Enter submits; otherwise it starts a new line and Ctrl+Enter submits. Default: true. */
  enterSends?: boolean;
}

/** A text field that grows with its content, up to a third of the screen. */
export function ChatInput({
  ref,
  value,
  onSubmitText,
  enterSends = true,
  className,
  onKeyDown,
  ...props
}: ChatInputProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  useImperativeHandle(ref, () => field.current as HTMLTextAreaElement, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
  }, [value]);

  return (
    <textarea
      ref={field}
      rows={1}
      // The placeholder is in the language of the page, what is typed in its own.
      dir={value === "" ? undefined : "auto"}
      value={value}
      onKeyDown={(event) => {
        onKeyDown?.(event);
        if (event.defaultPrevented) return;
        if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
        if (!enterSends && !event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        onSubmitText();
      }}
      className={cn(
        "max-h-[33dvh] w-full resize-none overflow-y-auto bg-transparent px-1 py-2 text-[1rem] leading-6 outline-none placeholder:truncate placeholder:text-muted-foreground sm:text-[0.9375rem]",
        className,
      )}
      {...props}
    />
  );
}
