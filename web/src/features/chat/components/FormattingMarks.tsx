/** The buttons that mark selected text: bold, italic, code, strikethrough. Loaded when they are first opened. */
import * as lucide from "lucide";
import { Button } from "@/components/ui/button";
import { icon } from "@/components/ui/icons";
import { t } from "@/i18n/i18n";
import { MARKS } from "../text-marks";

const ICONS = {
  bold: icon(lucide.Bold),
  italic: icon(lucide.Italic),
  code: icon(lucide.Code),
  strikethrough: icon(lucide.Strikethrough),
};

export interface FormattingMarksProps {
  disabled: boolean;
  onMark: (mark: string) => void;
}

export default function FormattingMarks({ disabled, onMark }: FormattingMarksProps) {
  return (
    <div role="toolbar" aria-label={t.input.formatting} className="flex max-sm:hidden">
      {MARKS.map(({ name, mark }) => {
        const Icon = ICONS[name];
        return (
          <Button
            key={name}
            variant="ghost"
            size="iconLg"
            aria-label={t.input.marks[name]}
            title={t.input.marks[name]}
            disabled={disabled}
            // The field keeps the focus and its selection.
            onPointerDown={(event) => event.preventDefault()}
            onClick={() => onMark(mark)}
          >
            <Icon className="size-4.5" />
          </Button>
        );
      })}
    </div>
  );
}
