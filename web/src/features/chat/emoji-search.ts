/**
 * Emojis by the words of their label and tags, for `:smi`. The data is the emoji picker's, loaded at the first search.
 */

export interface EmojiMatch {
  emoji: string;
  label: string;
}

interface EmojiData extends EmojiMatch {
  tags?: string[];
  order?: number;
}

const loaded = new Map<string, Promise<EmojiData[]>>();

async function load(source: string): Promise<EmojiData[]> {
  const response = await fetch(`${source}/en/data.json`);
  if (!response.ok) throw new Error(`emoji data: ${response.status}`);
  return response.json();
}

export async function searchEmojis(source: string, query: string): Promise<EmojiMatch[]> {
  const data = loaded.get(source) ?? load(source);
  loaded.set(source, data);
  try {
    return matchEmojis(await data, query);
  } catch {
    loaded.delete(source);
    return [];
  }
}

/** Emojis with a word that starts with the query; a word of the label counts more than a tag. */
export function matchEmojis(all: EmojiData[], query: string, max = 6): EmojiMatch[] {
  const wanted = query.toLowerCase();
  const starts = (word: string) => word.toLowerCase().startsWith(wanted);
  const rank = ({ label, tags = [] }: EmojiData): number => {
    if (starts(label)) return 0;
    if (label.split(/[\s-]+/).some(starts)) return 1;
    return tags.some(starts) ? 2 : 3;
  };
  return all
    .map((item) => ({ item, rank: rank(item) }))
    .filter((match) => match.rank < 3)
    .sort((a, b) => a.rank - b.rank || (a.item.order ?? 0) - (b.item.order ?? 0))
    .slice(0, max)
    .map(({ item: { emoji, label } }) => ({ emoji, label }));
}
