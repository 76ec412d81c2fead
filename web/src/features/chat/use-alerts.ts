/**
 * What the page does about messages while nobody looks at it: a notification, a sound, the number on its icon. A
 * notification that is opened leads to its message, and goes when it is read. Not here: pushes, which come while the page
 * is closed.
 */
import { useEffect, useRef } from "react";
import { t } from "@/i18n/i18n";
import { previewText } from "@/lib/markdown";
import { areNotificationsOff, countUnreadRooms } from "@/lib/notify";
import type { Room } from "@/lib/protocol";
import { useChat } from "./chat-context";
import { roomTitle } from "./room-title";
import { messageHref } from "./route";
import { useSettings } from "./settings";

export function useAlerts(rooms: Room[], me: string): void {
  const { push, people } = useChat();
  const { sound } = useSettings();
  const known = useRef<Map<string, Room> | null>(null);
  useEffect(() => void push.start().catch(() => {}), [push]);
  useEffect(() => {
    const before = known.current;
    known.current = new Map(rooms.map((room) => [room.id, room]));
    void setBadge(countUnreadRooms(rooms));
    const read = rooms.filter(({ id, me }) => before?.get(id)?.me.lastReadSeq !== me.lastReadSeq);
    void push.withdraw(new Map(read.map(({ id, me }) => [id, me.lastReadSeq])));
    if (!before || document.hasFocus()) return;
    const news = rooms.filter((room) => isNews(before.get(room.id), room, me));
    for (const room of news) {
      const last = room.lastMessage;
      if (!last) continue;
      const nameOf = (id: string) => people.get(id).name;
      const text = previewText(last.content, nameOf) || t.roomList.attachment;
      const body = room.type === "group" ? t.roomList.by(nameOf(last.userId), text) : text;
      const navigate = `/${messageHref(room.id, { seq: last.seq, threadId: null, alsoToRoom: true })}`;
      void push.show(roomTitle(room, me, nameOf), body, { roomId: room.id, seq: last.seq, navigate });
    }
    if (news.length > 0 && sound === "on") beep();
  }, [rooms, me, push, people, sound]);
  useEffect(() => {
    const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined;
    const onMessage = ({ data }: MessageEvent) => {
      if (data?.type === "open" && typeof data.hash === "string") location.hash = data.hash;
    };
    workers?.addEventListener("message", onMessage);
    return () => workers?.removeEventListener("message", onMessage);
  }, []);
}

/** Whether the room has something that its settings tell of: a mention, or with the level `all` any message of others. */
export function isNews(before: Room | undefined, room: Room, me: string): boolean {
  const last = room.lastMessage;
  if (!last || last.userId === me || ("deletedAt" in last && last.deletedAt)) return false;
  if (areNotificationsOff(room.me.notify)) return false;
  const isAll = room.me.notify.level === "all";
  if (room.mentions > (before?.mentions ?? 0)) return true;
  return isAll && room.unread > (before?.unread ?? 0);
}

/** The number on the icon of an installed page. */
async function setBadge(count: number): Promise<void> {
  const { setAppBadge } = navigator as { setAppBadge?: (count: number) => Promise<void> };
  await setAppBadge?.call(navigator, count).catch(() => {});
}

/** A short tone, made here: no file has to be loaded for it. */
function beep(): void {
  const context = new AudioContext();
  const tone = context.createOscillator();
  const volume = context.createGain();
  tone.frequency.value = 660;
  volume.gain.setValueAtTime(0.15, context.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, context.currentTime + 0.25);
  tone.connect(volume).connect(context.destination);
  tone.onended = () => void context.close();
  tone.start();
  tone.stop(context.currentTime + 0.25);
}
