/** Somebody's text, with the Markdown that lib/markdown.ts reads. Elements are made one by one, never from HTML. */
import { memo } from "react";
import { cn } from "@/lib/cn";
import { type Block, type Inline, parseMarkdown } from "@/lib/markdown";

interface RichTextProps {
  text: string;
  /** Whose screen it is: a mention of them stands out. */
  me?: string;
}

export const RichText = memo(function RichText({ text, me }: RichTextProps) {
  return parseMarkdown(text).map((block, at) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: parts of a text have no identity but their place
    <BlockView key={at} block={block} me={me} />
  ));
});

function BlockView({ block, me }: { block: Block; me: string | undefined }) {
  switch (block.type) {
    case "text":
      return (
        <p className="whitespace-pre-wrap [&:not(:first-child)]:mt-1.5">
          <Inlines all={block.children} me={me} />
        </p>
      );
    case "code":
      return (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <pre tabIndex={0} className="my-1.5 overflow-x-auto rounded-lg bg-black/8 px-3 py-2 dark:bg-black/30">
          <code className="font-mono text-[13px] leading-snug">{block.text}</code>
        </pre>
      );
    case "quote":
      return (
        <blockquote className="my-1 border-current/35 border-l-3 pl-2.5">
          {block.children.map((child, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: as above
            <BlockView key={at} block={child} me={me} />
          ))}
        </blockquote>
      );
    case "list": {
      const items = block.items.map((item, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: as above
        <li key={at}>
          <Inlines all={item} me={me} />
        </li>
      ));
      const look = "my-1 pl-5";
      return block.isOrdered ? (
        <ol start={block.start} className={cn(look, "list-decimal")}>
          {items}
        </ol>
      ) : (
        <ul className={cn(look, "list-disc")}>{items}</ul>
      );
    }
  }
}

function Inlines({ all, me }: { all: Inline[]; me: string | undefined }) {
  // biome-ignore lint/suspicious/noArrayIndexKey: as above
  return all.map((one, at) => <InlineView key={at} one={one} me={me} />);
}

function InlineView({ one, me }: { one: Inline; me: string | undefined }) {
  switch (one.type) {
    case "text":
      return one.text;
    case "link":
      return (
        <a
          href={one.href}
          target="_blank"
          rel="noopener nofollow noreferrer"
          className="underline decoration-1 underline-offset-2 hover:decoration-2"
        >
          {one.text}
        </a>
      );
    case "code":
      return (
        <code className="rounded bg-black/8 px-1 py-0.5 font-mono text-[0.875em] dark:bg-black/30">
          {one.text}
        </code>
      );
    case "mention":
      return <Mention isMe={one.userId === me}>{one.userId}</Mention>;
    case "room":
      return <Mention isMe>room</Mention>;
    case "strong":
      return (
        <strong className="font-semibold">
          <Inlines all={one.children} me={me} />
        </strong>
      );
    case "em":
      return (
        <em>
          <Inlines all={one.children} me={me} />
        </em>
      );
    case "del":
      return (
        <del>
          <Inlines all={one.children} me={me} />
        </del>
      );
  }
}

function Mention({ isMe, children }: { isMe: boolean; children: string }) {
  return (
    <span
      className={cn(
        "rounded px-1 font-medium",
        isMe ? "bg-mention text-mention-foreground" : "bg-black/12 dark:bg-black/30",
      )}
    >
      <bdi>@{children}</bdi>
    </span>
  );
}
