/** What the parts of this folder show of a person: a name and a picture. Where they come from is the context's business. */
import { createContext, use } from "react";

export interface Profile {
  userId: string;
  name: string;
  avatarUrl: string | null;
}

/** A hook that returns the profiles of these people, in their order. Without a provider a person's name is their id. */
export const PersonSource = createContext<(userIds: string[]) => Profile[]>((userIds) =>
  userIds.map((userId) => ({ userId, name: userId, avatarUrl: null })),
);

export function useProfiles(userIds: string[]): Profile[] {
  const useSource = use(PersonSource);
  return useSource(userIds);
}

export function useName(userId: string): string {
  return useProfiles([userId])[0]?.name ?? userId;
}

export function PersonName({ id, className }: { id: string; className?: string }) {
  const name = useName(id);
  return (
    <bdi className={className} title={name === id ? undefined : id}>
      {name}
    </bdi>
  );
}
