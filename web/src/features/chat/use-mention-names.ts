/** How the people of a room are typed in a mention. */
import { useMemo } from "react";
import { useProfiles } from "@/components/ui/person";
import { MentionNames } from "@/lib/markdown";

/** The same object until a name changes. */
export function useMentionNames(people: string[]): MentionNames {
  const key = JSON.stringify(useProfiles(people).map(({ userId, name }) => ({ userId, name })));
  return useMemo(() => new MentionNames(JSON.parse(key)), [key]);
}
