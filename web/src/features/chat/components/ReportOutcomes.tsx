/** A line that says what became of my reports. It stays until it is dismissed, because it shows once. */
import { Button } from "@/components/ui/button";
import { focusPageAfterKey } from "@/components/ui/focus";
import { XIcon } from "@/components/ui/icons";
import { fill } from "@/i18n/fill";
import { t } from "@/i18n/i18n";
import { useChat } from "../chat-context";
import { useReportOutcomes } from "../use-report-outcomes";

const REASON_MAX = 80;

/** `onShow`: the list of my reports is wanted. */
export function ReportOutcomes({ onShow }: { onShow: () => void }) {
  const { reports } = useChat();
  const outcomes = useReportOutcomes();
  const [first] = outcomes;
  const text = () => {
    if (!first || outcomes.length > 1) return t.reports.outcomes(outcomes.length);
    const { reason } = first;
    const shown = reason.length > REASON_MAX ? `${reason.slice(0, REASON_MAX)}…` : reason;
    return fill((what) => t.reports.outcome(what, t.reports.states[first.state]), <bdi>{shown}</bdi>);
  };
  return (
    <div role="status" aria-live="polite">
      {first && (
        <div className="flex items-center gap-2 border-b bg-accent py-1.5 ps-4 pe-2 text-accent-foreground text-sm">
          <p className="min-w-0 flex-1 [overflow-wrap:anywhere]">
            {text()}{" "}
            <Button
              variant="link"
              size="text"
              onClick={(event) => {
                // The line goes when the list is there, and the dialog gives the focus back to where it was.
                focusPageAfterKey(event);
                onShow();
              }}
            >
              {t.reports.show}
            </Button>
          </p>
          <Button
            variant="ghost"
            size="iconSm"
            aria-label={t.common.dismiss}
            onClick={(event) => {
              reports.dismiss();
              focusPageAfterKey(event);
            }}
          >
            <XIcon className="size-4" />
          </Button>
        </div>
      )}
    </div>
  );
}
