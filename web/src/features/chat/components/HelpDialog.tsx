import { Dialog } from "@/components/ui/dialog";
import { t } from "@/i18n/i18n";

/** The keyboard shortcuts, by where they apply. */
function shortcuts(): { title: string; keys: [string, string][] }[] {
  const { help } = t;
  return [
    {
      title: help.everywhere,
      keys: [
        ["?", help.thisList],
        ["Alt ↑ / Alt ↓", help.otherConversation],
        ["Ctrl Shift F", help.search],
        ["Ctrl K", help.goTo],
        ["Esc", help.close],
        ["Shift Esc", help.markAllRead],
      ],
    },
    {
      title: help.writing,
      keys: [
        ["Enter", help.send],
        ["Shift Enter", help.newLine],
        ["↑", help.editLast],
        ["@", help.mention],
        [help.markupExample, help.markup],
        ["Ctrl B / I / E / Shift X", help.marks],
      ],
    },
    {
      title: help.onMessage,
      keys: [
        ["R", help.reply],
        ["T", help.openThread],
        ["+", help.react],
        ["E", help.edit],
        ["U", help.markUnread],
        ["I", help.who],
        ["Del", help.delete],
      ],
    },
  ];
}

export default function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={t.help.title} onClose={onClose} isWide>
      <div className="space-y-5">
        {shortcuts().map(({ title, keys }) => (
          <section key={title}>
            <h3 className="mb-2 font-medium text-muted-foreground text-xs">{title}</h3>
            <dl className="grid grid-cols-[minmax(0,2fr)_3fr] gap-x-4 gap-y-2 text-sm">
              {keys.map(([key, what]) => (
                <div key={key} className="contents">
                  <dt>
                    <kbd
                      dir="ltr"
                      className="rounded-md border bg-muted box-decoration-clone px-1.5 py-0.5 font-mono text-xs"
                    >
                      {key}
                    </kbd>
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
