/** Errors as texts for people, by error code. The server's own messages are English, and say most to developers. */
import { formatDuration } from "@/i18n/format";
import { t } from "@/i18n/i18n";
import { ApiError, SignedOut } from "@/lib/http";
import type { ErrorBody } from "@/lib/protocol";

export function explain(error: ErrorBody): string {
  const texts: Record<string, string> = t.errors;
  const text = texts[error.code] ?? (t.locale.startsWith("en") ? error.message : t.refused);
  if (error.retryAfterMs === undefined) return text;
  return t.errorWithWait(text, formatDuration(Math.ceil(error.retryAfterMs / 1_000)));
}

/** The text for any failure. */
export function errorText(failure: unknown): string {
  if (failure instanceof ApiError) return explain(failure.body);
  if (failure instanceof SignedOut) return t.signedOut;
  return t.unexpectedError;
}
