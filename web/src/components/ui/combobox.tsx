/** A field with a list of options below it that the arrow keys move in, by the combobox pattern of ARIA. */
import { useCallback, useEffect, useId, useRef, useState } from "react";
import { isComposing } from "@/components/chat/composition";
import { cn } from "@/lib/cn";
import { Field, type FieldProps } from "./field";

interface ComboboxProps<Option> extends Omit<FieldProps, "onChange" | "value" | "children"> {
  value: string;
  onText: (text: string) => void;
  options: Option[];
  keyOf: (option: Option) => string;
  onChoose: (option: Option) => void;
  /** Shown under the field instead of options. */
  empty?: React.ReactNode;
  children: (option: Option) => React.ReactNode;
}

export function Combobox<Option>(props: ComboboxProps<Option>) {
  const { value, onText, options: offered, keyOf, onChoose, empty, children, ...rest } = props;
  const { onKeyDown, onFocus, onBlur, ...field } = rest;
  const [hasFocus, setFocus] = useState(false);
  const isPressed = usePointerPressed();
  const options = hasFocus ? offered : [];
  const id = useId();
  const [at, setAt] = useState(0);
  const active = options[Math.min(at, options.length - 1)];
  const optionId = (option: Option) => `${id} ${keyOf(option)}`;
  const choose = (option: Option) => {
    setAt(0);
    onChoose(option);
  };
  return (
    <div>
      <Field
        {...field}
        value={value}
        role="combobox"
        aria-expanded={options.length > 0}
        aria-controls={id}
        aria-autocomplete="list"
        aria-activedescendant={active && optionId(active)}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        onFocus={(event) => {
          setFocus(true);
          onFocus?.(event);
        }}
        onBlur={(event) => {
          // What is being clicked must not move away before the pointer is up.
          if (isPressed()) document.addEventListener("click", () => setFocus(false), { once: true });
          else setFocus(false);
          onBlur?.(event);
        }}
        onChange={(event) => {
          setAt(0);
          onText(event.target.value);
        }}
        onKeyDown={(event) => {
          const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
          const isChoice = event.key === "Enter" && !isComposing(event);
          if (step && options.length > 0)
            setAt((Math.min(at, options.length - 1) + step + options.length) % options.length);
          else if (isChoice && active) choose(active);
          else {
            onKeyDown?.(event);
            return;
          }
          event.preventDefault();
        }}
      />
      <div id={id} role="listbox" aria-label={field.label} className="mt-1 max-h-72 overflow-y-auto">
        {options.map((option) => (
          <div
            key={keyOf(option)}
            id={optionId(option)}
            role="option"
            tabIndex={-1}
            aria-selected={option === active}
            ref={(element) => {
              if (element && option === active) element.scrollIntoView({ block: "nearest" });
            }}
            onPointerDown={(event) => {
              // The field keeps the focus.
              event.preventDefault();
              choose(option);
            }}
            className={cn(
              "flex cursor-pointer items-center gap-2.5 rounded-lg px-2 py-1.5 text-sm hover:bg-muted",
              option === active && "bg-muted",
            )}
          >
            {children(option)}
          </div>
        ))}
      </div>
      {hasFocus && value !== "" && options.length === 0 && empty}
    </div>
  );
}

/** A function that says whether a button of the pointer is pressed, or a finger is down. */
function usePointerPressed(): () => boolean {
  const pressed = useRef(false);
  useEffect(() => {
    const set = (value: boolean) => () => {
      pressed.current = value;
    };
    const events = { pointerdown: set(true), pointerup: set(false), pointercancel: set(false) };
    for (const [name, listener] of Object.entries(events)) document.addEventListener(name, listener, true);
    return () => {
      for (const [name, listener] of Object.entries(events))
        document.removeEventListener(name, listener, true);
    };
  }, []);
  return useCallback(() => pressed.current, []);
}
