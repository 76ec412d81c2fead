import { type ComponentType, useEffect, useState } from "react";
import { cn } from "@/lib/cn";

const RETRY_MS = 2_000;

/**
 * A component that comes in when it is first shown. While the network doesn't give it the page stays as it is, says so,
 * and asks again; `React.lazy` would throw the whole page away, and never ask again.
 */
export function lazyWithRetry<Props extends object>(
  load: () => Promise<{ default: ComponentType<Props> }>,
  /** It floats over the page, and so does what stands in for it. */
  isDialog = false,
) {
  let loaded: ComponentType<Props> | null = null;
  // biome-ignore lint/correctness/noComponentHookFactories: called once a part, outside of components, as lazy is
  return function LazyWithRetry(props: Props) {
    const [, setHere] = useState(false);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (loaded) return;
      let current = true;
      let timer: ReturnType<typeof setTimeout>;
      const ask = () =>
        load().then(
          (module) => {
            loaded = module.default;
            if (current) setHere(true);
          },
          () => {
            if (!current) return;
            setFailed(true);
            timer = setTimeout(ask, RETRY_MS);
          },
        );
      void ask();
      return () => {
        current = false;
        clearTimeout(timer);
      };
    }, []);
    const Part = loaded;
    if (Part) return <Part {...props} />;
    if (isDialog && !failed) return null;
    return (
      <p
        role="status"
        className={cn(
          "p-4 text-muted-foreground text-sm",
          isDialog && "fixed bottom-4 left-4 z-10 rounded-xl border bg-card shadow-lg",
        )}
      >
        {failed ? "This can't be loaded just now. Trying again…" : "Loading…"}
      </p>
    );
  };
}
