/**
 * What the page does about messages while nobody looks at it: a notification, a sound, the number on its icon. A
 * notification that is opened leads to its message, and goes when it is read. Not here: what the person is notified of
 * (the server decides), and pushes, which come while the page is closed.
 */
import { useEffect, useRef } from "react";
import { previewText } from "@/lib/markdown";
import { countUnreadRooms } from "@/lib/notify";
import type { Room } from "@/lib/protocol";
import { useChat } from "./chat-context";
import { roomTitle } from "./room-title";
import { messageHref } from "./route";
import { useSettings } from "./settings";

export function useAlerts(rooms: Room[], me: string): void {
  const client = useChat();
  const { push, people } = client;
  const { sound } = useSettings();
  const known = useRef<Map<string, Room> | null>(null);
  useEffect(() => void push.start().catch(() => {}), [push]);
  useEffect(() => {
    const before = known.current;
    known.current = new Map(rooms.map((room) => [room.id, room]));
    void setBadge(countUnreadRooms(rooms));
    const read = rooms.filter(({ id, me }) => before?.get(id)?.me.lastReadSeq !== me.lastReadSeq);
    void push.withdraw(new Map(read.map(({ id, me }) => [id, me.lastReadSeq])));
  }, [rooms, push]);
  useEffect(() => {
    const nameOf = (id: string) => people.get(id).name;
    return client.onNotification((event) => {
      const { roomId, messageSeq: seq, type } = event;
      if (type === "notification_withdrawn")
        return void push.withdraw(new Map([[roomId, Number.MAX_SAFE_INTEGER]]));
      if (document.hasFocus()) return;
      const room = known.current?.get(roomId);
      const title = room ? roomTitle(room, me, nameOf) : event.title;
      const at = { seq, threadId: event.threadId, alsoToRoom: false };
      const navigate = `/${messageHref(roomId, at)}`;
      void push.show(title, previewText(event.body, nameOf), { roomId, seq, navigate });
      if (sound === "on") beep();
    });
  }, [client, me, push, people, sound]);
  useEffect(() => {
    const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined;
    const onMessage = ({ data }: MessageEvent) => {
      if (data?.type === "open" && typeof data.hash === "string") location.hash = data.hash;
    };
    workers?.addEventListener("message", onMessage);
    return () => workers?.removeEventListener("message", onMessage);
  }, []);
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
