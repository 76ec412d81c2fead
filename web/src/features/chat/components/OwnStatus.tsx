/** My own status, as others see it: an emoji, a text, and until when; and whether I want to be disturbed. */
import { useEffect, useState } from "react";
import { Button } from "@/components/ui/button";
import { Field, FormError } from "@/components/ui/field";
import { t } from "@/i18n/i18n";
import type { OwnProfile, OwnProfileChange } from "@/lib/api";
import { ApiError } from "@/lib/http";
import { useChat } from "../chat-context";
import { errorText } from "../explain";

const HOUR_MS = 3_600_000;
const DURATIONS = { open: null, hour: HOUR_MS, fourHours: 4 * HOUR_MS, day: 24 * HOUR_MS };
type Duration = keyof typeof DURATIONS;

export function OwnStatus() {
  const { api, people } = useChat();
  const [profile, setProfile] = useState<OwnProfile | null>(null);
  const [emoji, setEmoji] = useState("");
  const [text, setText] = useState("");
  const [duration, setDuration] = useState<Duration>("open");
  const [note, setNote] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [isAbsent, setAbsent] = useState(false);

  useEffect(() => {
    api.ownProfile().then(
      (own) => {
        setProfile(own);
        setEmoji(own.person.status?.emoji ?? "");
        setText(own.person.status?.text ?? "");
      },
      (failure) => {
        // A server without profiles.
        if (failure instanceof ApiError && failure.status === 404) setAbsent(true);
        else setError(errorText(failure));
      },
    );
  }, [api]);

  const change = async (next: OwnProfileChange) => {
    setError(null);
    setNote(null);
    try {
      const own = await api.updateOwnProfile(next);
      setProfile(own);
      people.put(own.person);
      setNote(t.status.saved);
    } catch (failure) {
      setError(errorText(failure));
    }
  };
  const save = () => {
    const forMs = DURATIONS[duration];
    const until = forMs === null ? null : new Date(Date.now() + forMs).toISOString();
    const isEmpty = text.trim() === "" && emoji.trim() === "";
    const status = isEmpty ? null : { text: text.trim(), emoji: emoji.trim() || null, until };
    const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
    return change({ status, ...(timeZone && { timezone: timeZone }) });
  };
  if (isAbsent) return null;
  return (
    <form
      aria-label={t.status.title}
      className="space-y-3"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <h3 className="font-medium text-muted-foreground text-xs">{t.status.title}</h3>
      <div className="flex gap-2">
        <Field
          className="w-20"
          label={t.status.emoji}
          value={emoji}
          maxLength={16}
          onChange={(event) => setEmoji(event.target.value)}
        />
        <Field
          className="min-w-0 flex-1"
          label={t.status.text}
          value={text}
          maxLength={100}
          onChange={(event) => setText(event.target.value)}
        />
      </div>
      <label className="block text-sm">
        {t.status.until}{" "}
        <select
          value={duration}
          onChange={(event) => setDuration(event.target.value as Duration)}
          className="ms-1 rounded-lg border bg-background px-2 py-1"
        >
          {(Object.keys(DURATIONS) as Duration[]).map((key) => (
            <option key={key} value={key}>
              {t.status.durations[key]}
            </option>
          ))}
        </select>
      </label>
      <label className="flex items-center gap-2 text-sm">
        <input
          type="checkbox"
          checked={profile?.presence === "dnd"}
          disabled={profile === null}
          onChange={(event) => void change({ presence: event.target.checked ? "dnd" : "auto" })}
          className="accent-primary"
        />
        {t.status.doNotDisturb}
      </label>
      <div className="flex items-center gap-3">
        <Button type="submit" size="sm" variant="outline" disabled={profile === null}>
          {t.common.save}
        </Button>
        <span role="status" className="text-muted-foreground text-xs">
          {note}
        </span>
      </div>
      <FormError>{error}</FormError>
    </form>
  );
}
