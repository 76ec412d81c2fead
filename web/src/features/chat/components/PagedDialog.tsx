import { useCallback, useEffect, useState } from "react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { FormError } from "@/components/ui/field";
import { t } from "@/i18n/i18n";
import { errorText } from "../explain";

export interface Paged<Item> {
  items: Item[];
  nextCursor: string | null;
}

interface PagedDialogProps<Item> {
  title: string;
  /** Shown if there are no items. */
  empty: string;
  load: (cursor?: string) => Promise<Paged<Item>>;
  onClose: () => void;
  children: (item: Item) => React.ReactNode;
}

/** A dialog with a list that is loaded page by page. `children` renders an item as an `<li>`. */
export function PagedDialog<Item>({ title, empty, load, onClose, children }: PagedDialogProps<Item>) {
  const [page, setPage] = useState<Paged<Item> | null>(null);
  const [error, setError] = useState<string | null>(null);
  const loadPage = useCallback(
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
  useEffect(() => void loadPage(), [loadPage]);
  return (
    <Dialog title={title} onClose={onClose}>
      {!page && !error && <p className="text-muted-foreground text-sm">{t.common.loading}</p>}
      {page?.items.length === 0 && <p className="text-muted-foreground text-sm">{empty}</p>}
      <ul className="space-y-1 text-sm">{page?.items.map(children)}</ul>
      <FormError>{error}</FormError>
      {(page?.nextCursor || error) && (
        <Button
          variant="ghost"
          size="sm"
          className="mt-2 w-full"
          onClick={() => void loadPage(page?.nextCursor ?? undefined)}
        >
          {error ? t.common.tryAgain : t.common.more}
        </Button>
      )}
    </Dialog>
  );
}
