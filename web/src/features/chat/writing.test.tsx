// @vitest-environment happy-dom
/** What is typed is what is sent: input methods, formatting, pasting, and the files of a draft. */
import "fake-indexeddb/auto";
import { act } from "react";
import { createRoot } from "react-dom/client";
import { expect, test, vi } from "vitest";
import { ChatInput } from "@/components/chat/chat-input";
import { type DraftFile, loadDraftFiles, removeDraftFiles, saveDraftFile } from "@/lib/draft-files";
import { readPaste } from "./pasted-files";
import { markOfKey, toggleMark } from "./text-marks";

function pressEnter(init: KeyboardEventInit & { keyCode?: number }, enterSends = true): number {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
  const box = document.body.appendChild(document.createElement("div"));
  const root = createRoot(box);
  const onSubmitText = vi.fn();
  const props = { value: "x", onSubmitText, enterSends, onChange: () => {} };
  act(() => root.render(<ChatInput {...props} />));
  const event = new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...init });
  if (init.keyCode) Object.defineProperty(event, "keyCode", { value: init.keyCode });
  act(() => void box.querySelector("textarea")?.dispatchEvent(event));
  act(() => root.unmount());
  return onSubmitText.mock.calls.length;
}

test("Enter sends, but not while an input method composes (Safari: key code 229)", () => {
  expect(pressEnter({})).toBe(1);
  expect(pressEnter({ keyCode: 229 })).toBe(0);
  expect(pressEnter({ shiftKey: true })).toBe(0);
});

test("on a phone Enter starts a new line and Ctrl+Enter sends", () => {
  expect(pressEnter({}, false)).toBe(0);
  expect(pressEnter({ ctrlKey: true }, false)).toBe(1);
});

test("a mark goes around the selection, and away again", () => {
  const bold = toggleMark({ text: "say it now", from: 4, to: 6 }, "**");
  expect(bold).toEqual({ text: "say **it** now", from: 6, to: 8 });
  expect(toggleMark(bold, "**")).toEqual({ text: "say it now", from: 4, to: 6 });
  expect(toggleMark(bold, "*").text).toBe("say ***it*** now");
});

test("formatting shortcuts", () => {
  const press = (key: string, shiftKey = false) => markOfKey({ key, shiftKey, altKey: false });
  expect([press("b"), press("i"), press("e"), press("X", true)]).toEqual(["**", "*", "`", "~~"]);
  expect([press("x"), press("k"), press("B", true)]).toEqual([undefined, undefined, undefined]);
});

test("a spreadsheet's paste is its text, with the picture offered; a copied file is a file", () => {
  const picture = new File(["x"], "image.png", { type: "image/png" });
  const paste = (text: string, ...files: File[]) =>
    readPaste({ files: files as unknown as FileList, getData: () => text });
  expect(paste("a\tb\n1\t2", picture)).toEqual({ attach: [], offer: [picture] });
  expect(paste("", picture)).toEqual({ attach: [picture], offer: [] });
  expect(paste("image.png", picture)).toEqual({ attach: [picture], offer: [] });
  expect(paste("just text")).toEqual({ attach: [], offer: [] });
});

test("the files of a draft are stored in order, per draft, until they are removed", async () => {
  const attachment = { id: "a1", name: "a", mimeType: "text/plain", size: 1 } as DraftFile["attachment"];
  const file = (key: string, order: number, more: Partial<DraftFile> = {}): DraftFile => ({
    key,
    scope: "room",
    order,
    name: key,
    file: new Blob(["x"]),
    attachment: null,
    uploadedAtMs: 0,
    ...more,
  });
  await saveDraftFile(file("second", 2, { attachment, uploadedAtMs: 1_000 }));
  await saveDraftFile(file("first", 1));
  await saveDraftFile(file("other", 1, { scope: "other" }));
  const soon = await loadDraftFiles("room", 2_000);
  expect(soon.map(({ key, attachment: done }) => [key, done?.id])).toEqual([
    ["first", undefined],
    ["second", "a1"],
  ]);
  const late = await loadDraftFiles("room", 2 * 3_600_000);
  expect(late.map(({ attachment: done }) => done)).toEqual([null, null]);
  await removeDraftFiles(["first", "second"]);
  expect(await loadDraftFiles("room")).toEqual([]);
  expect(await loadDraftFiles("other")).toHaveLength(1);
});
