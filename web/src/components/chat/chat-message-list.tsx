/**
 * A list of messages that is read from its end. It stays at the bottom while the person is there, keeps its position
 * when older rows are added above, offers a button back to the bottom, scrolls to a row on demand, and reports which
 * rows are in sight. It is virtual: only visible rows are rendered. Rows are known by their key, which is the
 * `data-key` of their `<article>`.
 */

import {
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { Virtualizer, type VirtualizerHandle } from "virtua";
import { ChevronDownIcon } from "@/components/ui/icons";
import { t } from "@/i18n/i18n";

export interface ChatMessageListHandle {
  /** Scrolls the row to the middle of the view. Returns `false` if there is no such row. */
  scrollToKey: (key: string) => boolean;
  scrollToBottom: () => void;
  focus: () => void;
}

export interface ChatMessageListProps<Row extends { key: string }> {
  ref?: React.Ref<ChatMessageListHandle>;
  label: string;
  rows: Row[];
  children: (row: Row, at: number) => React.ReactElement;
  /** Above the first row, 40 px high. */
  header?: React.ReactNode;
  /** The last row is my own message, so a new last row is scrolled into view. */
  lastIsOwn: boolean;
  /** The row to start at: it is placed in the upper third, or lower if the list ends before. Default: the end. */
  startKey?: string | undefined;
  /** Called with the rows of which at least half (or half a view) is in sight, when these change. */
  onVisibleChange?: ((keys: string[]) => void) | undefined;
  /** New rows below the view. Default: those that were added since the person left the bottom. */
  newBelow?: number | undefined;
  /** Shown over the top of the list. */
  overlay?: React.ReactNode;
  /** Newer messages exist that are not loaded, so the end of the list is not the bottom of the room. */
  hasNewer?: boolean;
  onNearTop?: (() => void) | undefined;
  onNearBottom?: (() => void) | undefined;
  onBottomChange?: (atBottom: boolean) => void;
  /** The person wants the newest messages, and they are not loaded. */
  onNewest?: (() => void) | undefined;
}

const NEAR_BOTTOM_PX = 80;
const NEAR_TOP_PX = 600;
const BUFFER_PX = 400;
const HEADER_PX = 40;
/** The start row is placed this far down in the view. */
const START_OFFSET = 0.2;
/** The rows in sight are determined at most this often. */
const VISIBLE_EVERY_MS = 100;

export function ChatMessageList<Row extends { key: string }>(props: ChatMessageListProps<Row>) {
  const { ref, label, rows, children, header, lastIsOwn, startKey, hasNewer = false } = props;
  const { onNearTop, onNearBottom, onBottomChange, onNewest, onVisibleChange } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const virtual = useRef<VirtualizerHandle>(null);
  const keys = useMemo(() => rows.map((row) => row.key), [rows]);
  const previous = useRef({
    keys: [] as string[],
    atBottom: startKey === undefined,
    top: 0,
    hasStarted: false,
    hadNewer: false,
  });
  /** The start row, until the person scrolls: whatever loads meanwhile, the row stays where it was placed. */
  const start = useRef(startKey);
  const [atBottom, setAtBottom] = useState(startKey === undefined);
  const [missed, setMissed] = useState(0);
  const newBelow = props.newBelow ?? missed;
  const [first = "", last = ""] = [keys[0], keys.at(-1)];
  const firstBefore = previous.current.keys[0] ?? "";
  const prepended = firstBefore !== "" && firstBefore !== first && keys.includes(firstBefore);

  const toBottom = useCallback(() => {
    const view = scroller.current;
    if (view) view.scrollTop = view.scrollHeight;
  }, []);

  const reportVisible = useVisibleRows(scroller, onVisibleChange);

  const onScroll = useCallback(() => {
    const view = scroller.current;
    if (!view) return;
    const leftPx = view.scrollHeight - view.scrollTop - view.clientHeight;
    // Rows that grow move the end away without scrolling: only scrolling up leaves the bottom.
    const isStaying = previous.current.atBottom && view.scrollTop >= previous.current.top;
    const isAtBottom = !hasNewer && (isStaying || leftPx < NEAR_BOTTOM_PX);
    previous.current.atBottom = isAtBottom;
    previous.current.top = view.scrollTop;
    setAtBottom(isAtBottom);
    if (isAtBottom) setMissed(0);
    if (view.scrollTop < NEAR_TOP_PX) onNearTop?.();
    if (leftPx < NEAR_TOP_PX && hasNewer) onNearBottom?.();
    reportVisible();
  }, [hasNewer, onNearTop, onNearBottom, reportVisible]);

  const scrollToKey = useCallback(
    (key: string): boolean => {
      const at = keys.indexOf(key);
      if (at === -1) return false;
      start.current = undefined;
      previous.current.atBottom = false;
      virtual.current?.scrollToIndex(at, { align: "center" });
      return true;
    },
    [keys],
  );
  const scrollToStart = useCallback((): boolean => {
    const at = start.current === undefined ? -1 : keys.indexOf(start.current);
    if (at === -1) return false;
    const offset = -Math.round((scroller.current?.clientHeight ?? 0) * START_OFFSET);
    virtual.current?.scrollToIndex(at, { align: "start", offset });
    return true;
  }, [keys]);
  useImperativeHandle(
    ref,
    () => ({ scrollToKey, scrollToBottom: toBottom, focus: () => scroller.current?.focus() }),
    [scrollToKey, toBottom],
  );

  useLayoutEffect(() => {
    const before = previous.current;
    const lastBefore = before.keys.at(-1) ?? "";
    previous.current = { ...before, keys, hasStarted: true, hadNewer: hasNewer };
    if (!before.hasStarted) {
      if (!scrollToStart()) toBottom();
      return;
    }
    const appended = lastBefore !== last;
    if (!appended) return;
    const known = keys.lastIndexOf(lastBefore);
    // A history window: the code that requested it also scrolls.
    if (known === -1 && hasNewer) return;
    // The history window has met the newest messages, so these are not new.
    const isJoined = known !== -1 && before.hadNewer;
    if (before.atBottom || (lastIsOwn && !hasNewer && !isJoined)) {
      start.current = undefined;
      toBottom();
    }
    // Rows added after a history window are not new; only rows after the newest message are.
    else if (known !== -1 && !hasNewer && !isJoined) setMissed((count) => count + keys.length - 1 - known);
  }, [keys, last, lastIsOwn, hasNewer, scrollToStart, toBottom]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: other rows may be in sight now
  useEffect(reportVisible, [reportVisible, rows]);

  // Any change of height (a reaction, an image, a banner, the phone's keyboard) keeps the end visible.
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (!scrollToStart() && previous.current.atBottom) toBottom();
      onScroll();
    });
    if (scroller.current) observer.observe(scroller.current);
    if (content.current) observer.observe(content.current);
    return () => observer.disconnect();
  }, [toBottom, scrollToStart, onScroll]);

  // The person scrolls: from now on the position is theirs.
  useEffect(() => {
    const view = scroller.current;
    const release = () => {
      start.current = undefined;
    };
    const events = ["wheel", "touchmove", "pointerdown", "keydown"] as const;
    for (const name of events) view?.addEventListener(name, release, { passive: true });
    return () => {
      for (const name of events) view?.removeEventListener(name, release);
    };
  }, []);

  useEffect(() => onBottomChange?.(atBottom), [atBottom, onBottomChange]);

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        onScroll={onScroll}
        role="log"
        aria-label={label}
        // Rows appear and disappear with scrolling; MessageList announces new messages.
        aria-live="off"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: scrollable content must be reachable by keyboard
        tabIndex={0}
        onKeyDown={(event) => moveFocus(event, content.current)}
        className="flex h-full flex-col overflow-y-auto overscroll-contain [overflow-anchor:none] focus-visible:-outline-offset-2"
      >
        <div className="grow" />
        <div ref={content} className="mx-auto w-full max-w-4xl shrink-0 pb-3">
          {header !== undefined && <div style={{ height: HEADER_PX }}>{header}</div>}
          <Virtualizer
            ref={virtual}
            scrollRef={scroller}
            data={rows}
            shift={prepended}
            bufferSize={BUFFER_PX}
            startMargin={header === undefined ? 0 : HEADER_PX}
          >
            {children}
          </Virtualizer>
        </div>
      </div>
      {props.overlay}
      {!atBottom && (
        <button
          type="button"
          onClick={({ detail }) => {
            // The button disappears, and a key needs the focus on something.
            if (detail === 0) scroller.current?.focus();
            setMissed(0);
            if (hasNewer) onNewest?.();
            start.current = undefined;
            Object.assign(previous.current, { atBottom: true, top: 0 });
            toBottom();
          }}
          className="absolute end-4 bottom-3 flex h-9 animate-rise items-center gap-1.5 rounded-full border bg-card px-3 font-medium text-sm shadow-md hover:bg-muted"
        >
          <ChevronDownIcon className="size-4" />
          {newBelow > 0 ? t.room.newCount(newBelow) : t.room.newest}
        </button>
      )}
    </div>
  );
}

/** Returns a function that reports the rows in sight, soon and at most every `VISIBLE_EVERY_MS`. */
function useVisibleRows(
  scroller: React.RefObject<HTMLDivElement | null>,
  onChange: ((keys: string[]) => void) | undefined,
) {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const reported = useRef("");
  useEffect(() => () => clearTimeout(timer.current), []);
  return useCallback(() => {
    if (!onChange || timer.current !== undefined) return;
    timer.current = setTimeout(() => {
      timer.current = undefined;
      const keys = scroller.current ? visibleKeys(scroller.current) : [];
      if (keys.join() === reported.current) return;
      reported.current = keys.join();
      onChange(keys);
    }, VISIBLE_EVERY_MS);
  }, [scroller, onChange]);
}

function visibleKeys(view: HTMLElement): string[] {
  const { top, bottom, height } = view.getBoundingClientRect();
  return [...view.querySelectorAll<HTMLElement>("article[data-key]")].flatMap((row) => {
    const box = row.getBoundingClientRect();
    const shownPx = Math.min(box.bottom, bottom) - Math.max(box.top, top);
    return shownPx > 0 && shownPx >= Math.min(box.height, height) / 2 ? (row.dataset.key ?? []) : [];
  });
}

/** The arrow keys move the focus between messages; inside a message, its buttons handle the keys. */
function moveFocus(event: React.KeyboardEvent, content: HTMLElement | null): void {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const target = event.target as HTMLElement;
  if (!step || !content || event.altKey || event.ctrlKey || event.metaKey) return;
  if (target !== event.currentTarget && target.tagName !== "ARTICLE") return;
  const articles = [...content.querySelectorAll<HTMLElement>("article")];
  const at = articles.indexOf(target);
  const next = at === -1 ? articles.at(-1) : articles[at + step];
  if (!next) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}
