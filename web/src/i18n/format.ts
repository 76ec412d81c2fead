/** Dates, durations and sizes in the language in use. */
import { t } from "./i18n";
import { regional } from "./plural";

const FORMATS = {
  time: { hour: "2-digit", minute: "2-digit" },
  weekday: { weekday: "long" },
  shortWeekday: { weekday: "short" },
  date: { weekday: "short", day: "numeric", month: "long" },
  year: { day: "numeric", month: "long", year: "numeric" },
  shortDate: { day: "numeric", month: "short" },
  full: { dateStyle: "medium", timeStyle: "medium" },
} satisfies Record<string, Intl.DateTimeFormatOptions>;

const cache = new Map<string, Intl.DateTimeFormat>();

function dateFormat(name: keyof typeof FORMATS): Intl.DateTimeFormat {
  const key = `${t.locale} ${name}`;
  const known = cache.get(key);
  if (known) return known;
  const made = new Intl.DateTimeFormat(regional(t.locale), FORMATS[name]);
  cache.set(key, made);
  return made;
}

const DAY_MS = 86_400_000;
const startOfDay = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
const daysAgo = (date: Date, now: Date) => Math.round((startOfDay(now) - startOfDay(date)) / DAY_MS);

export const isSameDay = (a: string, b: string): boolean =>
  startOfDay(new Date(a)) === startOfDay(new Date(b));

export const formatTime = (iso: string): string => dateFormat("time").format(new Date(iso));

/** Date and time in full, for a tooltip. */
export const formatFull = (iso: string): string => dateFormat("full").format(new Date(iso));

export function formatDay(iso: string, now = new Date()): string {
  const date = new Date(iso);
  const days = daysAgo(date, now);
  if (days <= 0) return t.time.today;
  if (days === 1) return t.time.yesterday;
  if (days < 7) return dateFormat("weekday").format(date);
  return dateFormat(days < 300 ? "date" : "year").format(date);
}

/** For lists: the time if it is today, otherwise the day. */
export function formatShortDate(iso: string, now = new Date()): string {
  const date = new Date(iso);
  const days = daysAgo(date, now);
  if (days <= 0) return formatTime(iso);
  return dateFormat(days < 7 ? "shortWeekday" : "shortDate").format(date);
}

/** Date and time to the minute; today's date is omitted. */
export const formatDateTime = (iso: string): string =>
  isSameDay(iso, new Date().toISOString())
    ? formatTime(iso)
    : t.time.dayAndTime(formatShortDate(iso), formatTime(iso));

/** The day of a time where the reader is, `2026-11-24`, as a date field has it. */
export function localDay(iso: string): string {
  const date = new Date(iso);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** When that day begins where the reader is. */
export const startOfDayIso = (day: string): string => new Date(`${day}T00:00`).toISOString();

/** A duration, rounded up, in a suitable unit. */
export function formatDuration(seconds: number): string {
  if (seconds < 120) return seconds === 60 ? t.time.minutes(1) : t.time.seconds(seconds);
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return t.time.minutes(minutes);
  const hours = Math.ceil(minutes / 60);
  return hours <= 48 ? t.time.hours(hours) : t.time.days(Math.ceil(hours / 24));
}

export const formatCount = (count: number): string => new Intl.NumberFormat(regional(t.locale)).format(count);

/** A file size, for example `1.4 MB`. */
export function formatBytes(bytes: number): string {
  const units = Object.values(t.units);
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log(bytes) / Math.log(1_000)));
  const value = bytes / 1_000 ** power;
  const digits = value >= 10 || power === 0 ? 0 : 1;
  const format = new Intl.NumberFormat(regional(t.locale), {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return `${format.format(value)} ${units[power]}`;
}
