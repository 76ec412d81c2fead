import { useCallback, useEffect, useState } from "react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { FormError } from "@/components/ui/field";
import { errorText } from "../explain";

export interface Paged<Item> {
  items: Item[];
  nextCursor: string | null;
}

interface PagedDialogProps<Item> {
  title: string;
  /** What is said when there is nothing. */
  empty: string;
  load: (cursor?: string) => Promise<Paged<Item>>;
  onClose: () => void;
  children: (item: Item) => React.ReactNode;
}

/** A list that is asked for page by page, in a dialog. `children` draws one of its items, as an `<li>`. */
export function PagedDialog<Item>({ title, empty, load, onClose, children }: PagedDialogProps<Item>) {
  const [page, setPage] = useState<Paged<Item> | null>(null);
  const [error, setError] = useState<string | null>(null);
  const more = useCallback(
    async (cursor?: string) => {
      setError(null);
      try {
        const next = await load(cursor);
        setPage((now) => ({ ...next, items: [...(cursor && now ? now.items : []), ...next.items] }));
      } catch (failure) {
        setError(errorText(failure));
      }
    },
    [load],
  );
  useEffect(() => void more(), [more]);
  return (
    <Dialog title={title} onClose={onClose}>
      {!page && !error && <p className="text-muted-foreground text-sm">Loading…</p>}
      {page?.items.length === 0 && <p className="text-muted-foreground text-sm">{empty}</p>}
      <ul className="space-y-1 text-sm">{page?.items.map(children)}</ul>
      <FormError>{error}</FormError>
      {(page?.nextCursor || error) && (
        <Button
          variant="ghost"
          size="sm"
          className="mt-2 w-full"
          onClick={() => void more(page?.nextCursor ?? undefined)}
        >
          {error ? "Try again" : "More"}
        </Button>
      )}
    </Dialog>
  );
}
