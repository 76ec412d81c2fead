import { useProfiles } from "@/components/ui/person";
import { t } from "@/i18n/i18n";

/** Who is typing. It keeps its height when empty, so that nothing moves. */
export function TypingIndicator({ users, unnamed }: { users: string[]; unnamed: number }) {
  const names = useProfiles(users).map(({ name }) => name);
  return (
    <div
      role="status"
      aria-live="polite"
      className="mx-auto h-6 w-full max-w-4xl px-5 text-muted-foreground text-xs"
    >
      {users.length > 0 && (
        <span className="inline-flex max-w-full animate-rise items-center gap-2">
          <span aria-hidden="true" className="flex gap-0.5">
            <span className="size-1.5 animate-dot rounded-full bg-current" />
            <span className="size-1.5 animate-dot rounded-full bg-current [animation-delay:0.15s]" />
            <span className="size-1.5 animate-dot rounded-full bg-current [animation-delay:0.3s]" />
          </span>
          <bdi className="truncate">{sentence(names, unnamed)}</bdi>
        </span>
      )}
    </div>
  );
}

function sentence(users: string[], unnamed: number): string {
  const [first = "", second = ""] = users;
  if (users.length === 1) return t.room.isTyping(first);
  if (users.length === 2) return t.room.areTyping(first, second);
  return t.room.manyTyping(first, second, users.length - 2 + unnamed);
}
