import { Component } from "react";
import { t } from "@/i18n/i18n";
import { copyText } from "@/lib/copy-text";
import { Button } from "./button";

interface ErrorBoundaryState {
  error: Error | null;
  details: string;
}

/** Shows what to do when a component fails, instead of a white page: reload, and copy the details for a report. */
export class ErrorBoundary extends Component<{ children: React.ReactNode }, ErrorBoundaryState> {
  override state: ErrorBoundaryState = { error: null, details: "" };

  static getDerivedStateFromError(error: unknown): Partial<ErrorBoundaryState> {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override componentDidCatch(error: unknown, { componentStack }: React.ErrorInfo): void {
    const stack = error instanceof Error ? error.stack : String(error);
    const where = location.href.replace(/#.*/, "");
    this.setState({
      details: [where, navigator.userAgent, new Date().toISOString(), stack, componentStack].join("\n"),
    });
  }

  override render() {
    const { error, details } = this.state;
    if (!error) return this.props.children;
    return (
      <main role="alert" className="mx-auto flex h-full max-w-xl flex-col justify-center gap-4 p-6">
        <h1 className="font-semibold text-lg">{t.crash.title}</h1>
        <p className="text-muted-foreground text-sm">{t.crash.text}</p>
        <div className="flex gap-2">
          <Button onClick={() => location.reload()}>{t.crash.reload}</Button>
          <Button variant="outline" onClick={() => void copyText(details)}>
            {t.crash.copyDetails}
          </Button>
        </div>
        <details className="text-xs">
          <summary>{error.message}</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: scrollable content must be reachable by keyboard */}
          <pre tabIndex={0} className="mt-2 max-h-60 overflow-auto rounded-lg bg-muted p-3">
            {details}
          </pre>
        </details>
      </main>
    );
  }
}
