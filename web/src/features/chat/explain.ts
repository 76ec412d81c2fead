/** What was refused, in words for people: the server's own message is for those who read logs. */
import { ApiError, SignedOut } from "@/lib/http";
import type { ErrorBody } from "@/lib/protocol";
import { formatDuration } from "@/lib/text";

const WORDS: Record<string, string> = {
  archived: "This conversation is archived.",
  banned: "They are banned from this conversation.",
  client_id_conflict: "It was sent before, otherwise.",
  content_empty: "There is nothing in it.",
  content_too_long: "It is too long.",
  forbidden: "You may not do that here.",
  last_owner: "A conversation needs an owner: make somebody else one first.",
  member_not_found: "They aren't in this conversation.",
  message_not_found: "That message isn't there any more.",
  moderation_blocked: "The rules of this conversation don't allow it.",
  muted: "You are muted here.",
  rate_limited: "That was too much at once.",
  room_not_found: "This conversation doesn't exist, or you aren't part of it.",
  slow_mode: "Slow mode is on here.",
  too_large: "It is too large.",
  unsupported_media_type: "Files of that kind aren't taken.",
  upstream_unavailable: "The server can't do that just now. Try again in a moment.",
  version_conflict: "It was changed meanwhile.",
};

export function explain(error: ErrorBody): string {
  const words = WORDS[error.code] ?? error.message;
  if (error.retryAfterMs === undefined) return words;
  return `${words} Wait ${formatDuration(Math.ceil(error.retryAfterMs / 1_000))}.`;
}

/** What to tell a person about a failure. */
export function errorText(error: unknown): string {
  if (error instanceof ApiError) return explain(error.body);
  if (error instanceof SignedOut) return error.message;
  return "Something went wrong on this page.";
}
