/** Who types. Its height is always there, so that nothing jumps. */
export function TypingIndicator({ users }: { users: string[] }) {
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
          <bdi className="truncate">{sentence(users)}</bdi>
        </span>
      )}
    </div>
  );
}

function sentence(users: string[]): string {
  const [first, second] = users;
  if (users.length === 1) return `${first} is typing…`;
  if (users.length === 2) return `${first} and ${second} are typing…`;
  return `${first}, ${second} and ${users.length - 2} more are typing…`;
}
