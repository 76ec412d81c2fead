import { type ComponentType, useEffect, useState } from "react";
import { t } from "@/i18n/i18n";
import { cn } from "@/lib/cn";

const RETRY_MS = 2_000;

/**
 * A component whose code is loaded when it is shown for the first time. If loading fails, the rest of the page stays, a
 * text says so, and loading is retried; `React.lazy` would fail the whole page and never retry.
 */
export function lazyWithRetry<Props extends object>(
  load: () => Promise<{ default: ComponentType<Props> }>,
  /** A dialog floats over the page, and so does its placeholder. */
  isDialog = false,
) {
  let loaded: ComponentType<Props> | null = null;
  // biome-ignore lint/correctness/noComponentHookFactories: called once per component, outside of components, like React.lazy
  return function LazyWithRetry(props: Props) {
    const [, setLoaded] = useState(false);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (loaded) return;
      let isMounted = true;
      let timer: ReturnType<typeof setTimeout>;
      const attempt = () =>
        load().then(
          (module) => {
            loaded = module.default;
            if (isMounted) setLoaded(true);
          },
          () => {
            if (!isMounted) return;
            setFailed(true);
            timer = setTimeout(attempt, RETRY_MS);
          },
        );
      void attempt();
      return () => {
        isMounted = false;
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
          isDialog && "fixed bottom-4 start-4 z-10 rounded-xl border bg-card shadow-lg",
        )}
      >
        {failed ? t.common.loadFailed : t.common.loading}
      </p>
    );
  };
}
