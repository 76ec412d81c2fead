import { findLinks } from "@/lib/text";

/** Somebody's text: shown as text, with its addresses as links that carry nothing with them. */
export function RichText({ text }: { text: string }) {
  return findLinks(text).map((segment, at) =>
    segment.href ? (
      <a
        // biome-ignore lint/suspicious/noArrayIndexKey: segments have no identity but their place
        key={at}
        href={segment.href}
        target="_blank"
        rel="noopener nofollow noreferrer"
        className="underline decoration-1 underline-offset-2 hover:decoration-2"
      >
        {segment.text}
      </a>
    ) : (
      segment.text
    ),
  );
}
