// @vitest-environment happy-dom
/** The page over a whole day: it survives a failing component, midnight, and plain http. */
import { act } from "react";
import { createRoot } from "react-dom/client";
import { beforeEach, expect, test, vi } from "vitest";
import { ErrorBoundary } from "@/components/ui/error-boundary";
import { copyText } from "@/lib/copy-text";
import { useToday } from "./use-today";

let box: HTMLElement;
beforeEach(() => {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
  box = document.body.appendChild(document.createElement("div"));
});

test("a component that fails shows how to go on instead of a white page, and its details", () => {
  const quiet = vi.spyOn(console, "error").mockImplementation(() => {});
  function Broken(): React.ReactNode {
    throw new Error("row 7 is broken");
  }
  const root = createRoot(box);
  act(() =>
    root.render(
      <ErrorBoundary>
        <Broken />
      </ErrorBoundary>,
    ),
  );
  const alert = box.querySelector("[role=alert]");
  expect([...(alert?.querySelectorAll("button") ?? [])].map((button) => button.textContent)).toEqual([
    "Reload",
    "Copy details",
  ]);
  expect(alert?.querySelector("pre")?.textContent).toContain("row 7 is broken");
  expect(alert?.querySelector("pre")?.textContent).toContain("Broken");
  act(() => root.unmount());
  quiet.mockRestore();
});

test("the day changes at midnight", () => {
  vi.useFakeTimers({ now: new Date(2026, 10, 27, 23, 59, 58) });
  const days: number[] = [];
  function Probe() {
    days.push(new Date(useToday()).getDate());
    return null;
  }
  const root = createRoot(box);
  act(() => root.render(<Probe />));
  act(() => vi.advanceTimersByTime(1_000));
  expect(days.at(-1)).toBe(27);
  act(() => vi.advanceTimersByTime(2_000));
  expect(days.at(-1)).toBe(28);
  act(() => vi.advanceTimersByTime(24 * 3_600_000));
  expect(days.at(-1)).toBe(29);
  act(() => root.unmount());
  vi.useRealTimers();
});

test("without navigator.clipboard (plain http) a selection is copied", async () => {
  vi.stubGlobal("navigator", { ...navigator, clipboard: undefined });
  let copied = "";
  document.execCommand = () => {
    copied = document.querySelector("textarea")?.value ?? "";
    return true;
  };
  await copyText("hello");
  expect(copied).toBe("hello");
  expect(document.querySelector("textarea")).toBeNull();
  document.execCommand = () => false;
  await expect(copyText("hello")).rejects.toThrow();
  vi.unstubAllGlobals();
});
