/** Text for display: links, titles of rooms, initials, dates, sizes. Pure; nothing here creates HTML. */
import type { Room } from "./protocol";

export type Segment = { text: string; href?: string };

const URLS = /\bhttps?:\/\/[^\s<>"'`]+/gi;
const TRAILING = /[.,;:!?*_~…]+$/;

/** Splits content at its http(s) addresses. The joined texts of the segments equal the content. */
export function findLinks(content: string): Segment[] {
  const segments: Segment[] = [];
  let end = 0;
  for (const match of content.matchAll(URLS)) {
    const address = trimAddress(match[0]);
    const href = safeHref(address);
    if (!href) continue;
    if (match.index > end) segments.push({ text: content.slice(end, match.index) });
    segments.push({ text: address, href });
    end = match.index + address.length;
  }
  if (end < content.length) segments.push({ text: content.slice(end) });
  return segments;
}

/** Removes the sentence's punctuation from the end. A closing bracket stays if it was opened inside the address. */
function trimAddress(found: string): string {
  let address = found.replace(TRAILING, "");
  while (address.endsWith(")") && address.split(")").length > address.split("(").length) {
    address = address.slice(0, -1).replace(TRAILING, "");
  }
  return address;
}

function safeHref(address: string): string | null {
  const url = URL.parse(address);
  return url && (url.protocol === "https:" || url.protocol === "http:") && url.hostname ? url.href : null;
}

/** The room's title. A direct message is titled after the other person. */
export function roomTitle(room: Pick<Room, "type" | "name" | "participantIds">, me: string): string {
  const others = room.participantIds.filter((id) => id !== me);
  if (room.type === "direct") return others[0] ?? me;
  return room.name || others.slice(0, 4).join(", ") || "Just you";
}

export function initials(name: string): string {
  const words = name.split(/[\s._@-]+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = words.slice(0, 2).map((word) => [...word].find((char) => /[\p{L}\p{N}]/u.test(char)) ?? "");
  return letters.join("").toUpperCase() || "?";
}

/** One of twelve hues; the same id always has the same hue. */
export function hueIndex(id: string): number {
  let hash = 0;
  for (const char of id) hash = (Math.imul(hash, 31) + (char.codePointAt(0) ?? 0)) >>> 0;
  return hash % 12;
}

const dayMs = 86_400_000;
const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekdayFormat = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const dateFormat = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "long" });
const yearFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const shortFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

const startOfDay = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
const daysAgo = (date: Date, now: Date) => Math.round((startOfDay(now) - startOfDay(date)) / dayMs);

export const formatTime = (iso: string): string => timeFormat.format(new Date(iso));

export const sameDay = (a: string, b: string): boolean => startOfDay(new Date(a)) === startOfDay(new Date(b));

export function formatDay(iso: string, now = new Date()): string {
  const date = new Date(iso);
  const days = daysAgo(date, now);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days < 7) return weekdayFormat.format(date);
  return (days < 300 ? dateFormat : yearFormat).format(date);
}

/** For lists: the time if it is today, otherwise the day. */
export function formatShortDate(iso: string, now = new Date()): string {
  const date = new Date(iso);
  const days = daysAgo(date, now);
  if (days <= 0) return timeFormat.format(date);
  return days < 7 ? weekdayFormat.format(date).slice(0, 3) : shortFormat.format(date);
}

/** The length as the server counts it: in code points, not UTF-16 units. */
export const codePointCount = (text: string): number => [...text].length;
export const CONTENT_MAX = 4_000;

const UNITS = ["B", "KB", "MB", "GB"];

/** `1.4 MB` */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log(bytes) / Math.log(1_000)));
  const value = bytes / 1_000 ** power;
  return `${value >= 10 || power === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}

/** A duration, rounded up, in a suitable unit. */
export function formatDuration(seconds: number): string {
  if (seconds < 120) return seconds === 60 ? "1 min" : `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.ceil(minutes / 60);
  return hours <= 48 ? `${hours} h` : `${Math.ceil(hours / 24)} days`;
}

/** Date and time to the minute; today's date is omitted. */
export const formatDateTime = (iso: string): string =>
  sameDay(iso, new Date().toISOString()) ? formatTime(iso) : `${formatShortDate(iso)}, ${formatTime(iso)}`;
