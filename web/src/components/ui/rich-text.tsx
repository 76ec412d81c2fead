/** Renders a message's content, as parsed by lib/markdown.ts, as React elements, never as HTML. */
import { memo } from "react";
import { cn } from "@/lib/cn";
import { type Block, type Inline, parseMarkdown } from "@/lib/markdown";
import { PersonName } from "./person";

interface RichTextProps {
  text: string;
  /** My user id: mentions of me are highlighted. */
  me?: string;
}

export const RichText = memo(function RichText({ text, me }: RichTextProps) {
  return parseMarkdown(text).map((block, at) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text have no identity but their position
    <BlockView key={at} block={block} me={me} />
  ));
});

function BlockView({ block, me }: { block: Block; me: string | undefined }) {
  switch (block.type) {
    case "text":
      return (
        <p className="whitespace-pre-wrap [&:not(:first-child)]:mt-1.5">
          <Inlines nodes={block.children} me={me} />
        </p>
      );
    case "code":
      return (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: scrollable content must be reachable by keyboard
        <pre tabIndex={0} className="my-1.5 overflow-x-auto rounded-lg bg-black/8 px-3 py-2 dark:bg-black/30">
          <code className="font-mono text-[0.8125rem] leading-snug">{block.text}</code>
        </pre>
      );
    case "quote":
      return (
        <blockquote className="my-1 border-current/35 border-s-3 ps-2.5">
          {block.children.map((child, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: see above
            <BlockView key={at} block={child} me={me} />
          ))}
        </blockquote>
      );
    case "list": {
      const items = block.items.map((item, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: see above
        <li key={at}>
          <Inlines nodes={item} me={me} />
        </li>
      ));
      const look = "my-1 ps-5";
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

function Inlines({ nodes, me }: { nodes: Inline[]; me: string | undefined }) {
  // biome-ignore lint/suspicious/noArrayIndexKey: see above
  return nodes.map((node, at) => <InlineView key={at} node={node} me={me} />);
}

function InlineView({ node, me }: { node: Inline; me: string | undefined }) {
  switch (node.type) {
    case "text":
      return node.text;
    case "link":
      return <ExternalLink href={node.href}>{node.text}</ExternalLink>;
    case "code":
      return (
        <code className="rounded bg-black/8 px-1 py-0.5 font-mono text-[0.875em] dark:bg-black/30">
          {node.text}
        </code>
      );
    case "mention":
      return (
        <Mention isMe={node.userId === me}>
          <PersonName id={node.userId} />
        </Mention>
      );
    case "room":
      return <Mention isMe>room</Mention>;
    case "strong":
      return (
        <strong className="font-semibold">
          <Inlines nodes={node.children} me={me} />
        </strong>
      );
    case "em":
      return (
        <em>
          <Inlines nodes={node.children} me={me} />
        </em>
      );
    case "del":
      return (
        <del>
          <Inlines nodes={node.children} me={me} />
        </del>
      );
  }
}

/** A link that somebody wrote: it opens another tab and carries nothing of this page. */
export function ExternalLink({ href, children }: { href: string; children: string }) {
  return (
    <a
      href={href}
      target="_blank"
      rel="noopener nofollow noreferrer"
      className="underline decoration-1 underline-offset-2 hover:decoration-2"
    >
      {children}
    </a>
  );
}

function Mention({ isMe, children }: { isMe: boolean; children: React.ReactNode }) {
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
