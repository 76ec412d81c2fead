import { Dialog } from "@/components/ui/dialog";

const KEYS: { title: string; keys: [string, string][] }[] = [
  {
    title: "Everywhere",
    keys: [
      ["?", "This list"],
      ["Alt ↑ / Alt ↓", "The conversation above or below"],
      ["Ctrl Shift F", "Search"],
      ["Ctrl K", "New conversation"],
      ["Esc", "Close what is open"],
    ],
  },
  {
    title: "Writing",
    keys: [
      ["Enter", "Send"],
      ["Shift Enter", "A new line"],
      ["↑", "Edit your last message (in an empty field)"],
      ["@", "Mention somebody"],
      ["**bold** *italic* ~~gone~~ `code`", "How text is marked"],
    ],
  },
  {
    title: "On a message (Tab to the messages, then ↑ ↓)",
    keys: [
      ["R", "Reply"],
      ["T", "Open its thread"],
      ["+", "React"],
      ["E", "Edit"],
      ["U", "Mark unread from here"],
      ["Del", "Delete"],
    ],
  },
];

export default function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose} className="w-[min(32rem,calc(100vw-2rem))]">
      <div className="space-y-5">
        {KEYS.map(({ title, keys }) => (
          <section key={title}>
            <h3 className="mb-2 font-medium text-muted-foreground text-xs">{title}</h3>
            <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-2 text-sm">
              {keys.map(([key, what]) => (
                <div key={key} className="contents">
                  <dt>
                    <kbd className="rounded-md border bg-muted px-1.5 py-0.5 font-mono text-xs">{key}</kbd>
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
