/**
 * My rooms. Asked for at the start, on coming back to the tab, after one's own actions, and when somebody is at work
 * here and the list is old. Never by a clock alone: a query now and then would keep a sleeping Postgres awake for nobody.
 */
import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError, type NewRoom, SignedOut } from "@/lib/api";
import type { Room } from "@/lib/protocol";
import { useChat } from "./chat-context";

const OLD_AFTER_MS = 20_000;

export interface RoomsHandle {
  rooms: Room[];
  isLoading: boolean;
  error: string | null;
  isSignedOut: boolean;
  hasMore: boolean;
  refresh: () => Promise<void>;
  loadMore: () => Promise<void>;
  create: (room: NewRoom) => Promise<Room>;
  /** What the open room knows better than the list. */
  patch: (roomId: string, change: Partial<Room>) => void;
}

export function useRooms(): RoomsHandle {
  const { api } = useChat();
  const [rooms, setRooms] = useState<Room[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [isLoading, setLoading] = useState(true);
  const [failure, setFailure] = useState<unknown>(null);
  const askedMs = useRef(0);
  const running = useRef<Promise<void> | null>(null);

  const refresh = useCallback(() => {
    askedMs.current = Date.now();
    running.current ??= api
      .listRooms()
      .then((page) => {
        setRooms(page.rooms);
        setCursor(page.nextCursor);
        setFailure(null);
      }, setFailure)
      .finally(() => {
        setLoading(false);
        running.current = null;
      });
    return running.current;
  }, [api]);

  const loadMore = useCallback(async () => {
    if (!cursor) return;
    const page = await api.listRooms(cursor).catch(setFailure);
    if (!page) return;
    setCursor(page.nextCursor);
    setRooms((now) => [...now, ...page.rooms.filter((room) => now.every((one) => one.id !== room.id))]);
  }, [api, cursor]);

  const create = useCallback(
    async (room: NewRoom) => {
      const made = (await api.createRoom(room)).room;
      setRooms((now) => (now.some((one) => one.id === made.id) ? now : [made, ...now]));
      void refresh();
      return made;
    },
    [api, refresh],
  );

  const patch = useCallback((roomId: string, change: Partial<Room>) => {
    setRooms((now) => {
      const room = now.find((one) => one.id === roomId);
      if (!room) return now;
      const next = { ...room, ...change };
      const moved = change.lastMessageAt !== undefined && change.lastMessageAt !== room.lastMessageAt;
      return moved
        ? [next, ...now.filter((one) => one !== room)]
        : now.map((one) => (one === room ? next : one));
    });
  }, []);

  useEffect(() => {
    void refresh();
    const ifOld = () => {
      const old = Date.now() - askedMs.current > OLD_AFTER_MS;
      if (old && document.visibilityState === "visible") void refresh();
    };
    const onBack = () => {
      if (document.visibilityState === "visible" && Date.now() - askedMs.current > 1_000) void refresh();
    };
    window.addEventListener("focus", onBack);
    window.addEventListener("online", onBack);
    document.addEventListener("visibilitychange", onBack);
    window.addEventListener("pointerdown", ifOld);
    window.addEventListener("keydown", ifOld);
    return () => {
      window.removeEventListener("focus", onBack);
      window.removeEventListener("online", onBack);
      document.removeEventListener("visibilitychange", onBack);
      window.removeEventListener("pointerdown", ifOld);
      window.removeEventListener("keydown", ifOld);
    };
  }, [refresh]);

  return {
    ...{ rooms, isLoading, refresh, loadMore, create, patch, hasMore: cursor !== null },
    error: failure === null ? null : messageOf(failure),
    isSignedOut: failure instanceof SignedOut,
  };
}

export function messageOf(error: unknown): string {
  if (error instanceof ApiError || error instanceof SignedOut) return error.message;
  return "Something went wrong on this page.";
}
