/**
 * A list that is read from its end: stays at the bottom while one is there, stays in place when older rows come in
 * above, offers the way back down, and goes to a row on demand. Only the rows in sight exist. Knows rows by key alone.
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

export interface ChatMessageListHandle {
  /** Brings the row to the middle of the view. `false`: there is no such row. */
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
  /** The last row is one's own: it is always shown. */
  lastIsOwn: boolean;
  /** Where to begin reading; default: at the end. */
  startKey?: string | undefined;
  /** More follows the last row that isn't loaded: its end isn't the bottom. */
  hasNewer?: boolean;
  onNearTop?: (() => void) | undefined;
  onNearBottom?: (() => void) | undefined;
  onBottomChange?: (atBottom: boolean) => void;
  /** The way back down was chosen, and the newest rows aren't loaded. */
  onNewest?: (() => void) | undefined;
}

const NEAR_BOTTOM_PX = 80;
const NEAR_TOP_PX = 600;
const BUFFER_PX = 400;
const HEADER_PX = 40;

export function ChatMessageList<Row extends { key: string }>(props: ChatMessageListProps<Row>) {
  const { ref, label, rows, children, header, lastIsOwn, startKey, hasNewer = false } = props;
  const { onNearTop, onNearBottom, onBottomChange, onNewest } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const virtual = useRef<VirtualizerHandle>(null);
  const keys = useMemo(() => rows.map((row) => row.key), [rows]);
  const was = useRef({
    keys: [] as string[],
    atBottom: startKey === undefined,
    top: 0,
    hasBegun: false,
    hadNewer: false,
  });
  const [atBottom, setAtBottom] = useState(startKey === undefined);
  const [missed, setMissed] = useState(0);
  const [first = "", last = ""] = [keys[0], keys.at(-1)];
  const firstBefore = was.current.keys[0] ?? "";
  const prepended = firstBefore !== "" && firstBefore !== first && keys.includes(firstBefore);

  const toBottom = useCallback(() => {
    const view = scroller.current;
    if (view) view.scrollTop = view.scrollHeight;
  }, []);

  const look = useCallback(() => {
    const view = scroller.current;
    if (!view) return;
    const leftPx = view.scrollHeight - view.scrollTop - view.clientHeight;
    // Rows that grow move the end away without anybody having scrolled: one leaves the bottom by going up, not so.
    const stays = was.current.atBottom && view.scrollTop >= was.current.top;
    const now = !hasNewer && (stays || leftPx < NEAR_BOTTOM_PX);
    was.current.atBottom = now;
    was.current.top = view.scrollTop;
    setAtBottom(now);
    if (now) setMissed(0);
    if (view.scrollTop < NEAR_TOP_PX) onNearTop?.();
    if (leftPx < NEAR_TOP_PX && hasNewer) onNearBottom?.();
  }, [hasNewer, onNearTop, onNearBottom]);

  const scrollToKey = useCallback(
    (key: string, align: "center" | "start" = "center"): boolean => {
      const at = keys.indexOf(key);
      if (at === -1) return false;
      was.current.atBottom = false;
      virtual.current?.scrollToIndex(at, { align });
      return true;
    },
    [keys],
  );
  useImperativeHandle(
    ref,
    () => ({ scrollToKey, scrollToBottom: toBottom, focus: () => scroller.current?.focus() }),
    [scrollToKey, toBottom],
  );

  useLayoutEffect(() => {
    const before = was.current;
    const lastBefore = before.keys.at(-1) ?? "";
    was.current = { ...before, keys, hasBegun: true, hadNewer: hasNewer };
    if (!before.hasBegun) {
      if (!startKey || !scrollToKey(startKey, "start")) toBottom();
      return;
    }
    const appended = lastBefore !== last;
    if (!appended) return;
    const known = keys.lastIndexOf(lastBefore);
    // A stretch of the past: whoever asked for it says where to go in it.
    if (known === -1 && hasNewer) return;
    if (before.atBottom || (lastIsOwn && !hasNewer)) toBottom();
    // What follows a stretch of the past was there before: only what comes after the newest is new.
    else if (known !== -1 && !hasNewer && !before.hadNewer)
      setMissed((count) => count + keys.length - 1 - known);
  }, [keys, last, lastIsOwn, hasNewer, startKey, scrollToKey, toBottom]);

  // Whatever changes the height (a reaction, a picture, a banner, the phone's keyboard) leaves the end in sight.
  useEffect(() => {
    const watcher = new ResizeObserver(() => {
      if (was.current.atBottom) toBottom();
      look();
    });
    if (scroller.current) watcher.observe(scroller.current);
    if (content.current) watcher.observe(content.current);
    return () => watcher.disconnect();
  }, [toBottom, look]);

  useEffect(() => onBottomChange?.(atBottom), [atBottom, onBottomChange]);

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        onScroll={look}
        role="log"
        aria-label={label}
        // Rows come and go with scrolling; what is really new is announced by whoever knows that it is.
        aria-live="off"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
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
      {!atBottom && (
        <button
          type="button"
          onClick={() => {
            setMissed(0);
            if (hasNewer) onNewest?.();
            Object.assign(was.current, { atBottom: true, top: 0 });
            toBottom();
          }}
          className="absolute right-4 bottom-3 flex h-9 animate-rise items-center gap-1.5 rounded-full border bg-card px-3 font-medium text-sm shadow-md hover:bg-muted"
        >
          <ChevronDownIcon className="size-4" />
          {missed > 0 ? `${missed} new` : "Newest"}
        </button>
      )}
    </div>
  );
}

/** The arrow keys go from message to message; within one, its own buttons have the keys. */
function moveFocus(event: React.KeyboardEvent, content: HTMLElement | null): void {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const target = event.target as HTMLElement;
  if (!step || !content || event.altKey || event.ctrlKey || event.metaKey) return;
  if (target !== event.currentTarget && target.tagName !== "ARTICLE") return;
  const all = [...content.querySelectorAll<HTMLElement>("article")];
  const at = all.indexOf(target);
  const next = at === -1 ? all.at(-1) : all[at + step];
  if (!next) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}
