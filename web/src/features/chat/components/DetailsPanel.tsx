/** The details of a room: its members, my notification settings, and the settings that my role may change. */

import { useCallback, useEffect, useState } from "react";
import { Button } from "@/components/ui/button";
import { FormError } from "@/components/ui/field";
import { lazyWithRetry } from "@/components/ui/lazy-with-retry";
import { t } from "@/i18n/i18n";
import type { Member, Room } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { errorText } from "../explain";
import { isAtLeast } from "../message-actions";
import type { ChatRoomHandle } from "../use-chat-room";
import { NotificationSettings } from "./NotificationSettings";
import { OnlineUsers } from "./OnlineUsers";

/** Only groups have them. */
const AddPeople = lazyWithRetry(() => import("./AddPeople"));
const RoomSettings = lazyWithRetry(() => import("./RoomSettings"));

interface DetailsPanelProps {
  room: ChatRoomHandle;
  details: Room | null;
  onLeft: (() => void) | undefined;
}

export default function DetailsPanel({ room, details, onLeft }: DetailsPanelProps) {
  const { userId } = useChat();
  const { client, role, isConnected, onlineUsers } = room;
  const isGroup = details?.type === "group";
  const list = useMembers(client.roomId, details, room.roomRevision, isGroup && isAtLeast(role, "moderator"));
  const [error, setError] = useState<string | null>(null);
  const run = useCallback(async (work: () => Promise<unknown>): Promise<boolean> => {
    setError(null);
    try {
      await work();
      return true;
    } catch (failure) {
      setError(errorText(failure));
      return false;
    }
  }, []);
  return (
    <div className="min-h-0 flex-1 space-y-6 overflow-y-auto p-3 pb-8">
      <FormError>{error}</FormError>
      <OnlineUsers
        users={onlineUsers}
        members={list.members}
        memberCount={details?.memberCount ?? list.members.length}
        me={userId}
        isConnected={isConnected}
        manage={
          isGroup
            ? { roomId: client.roomId, role, run: (work) => run(() => work().then(() => list.refresh())) }
            : null
        }
      />
      {list.hasMore && (
        <Button variant="ghost" size="sm" className="w-full" onClick={() => void run(list.loadMore)}>
          {t.people.more}
        </Button>
      )}
      {isGroup && isAtLeast(role, "admin") && (
        <AddPeople roomId={client.roomId} run={run} members={list.members.map(({ userId }) => userId)} />
      )}
      <NotificationSettings room={room} run={run} />
      {details && isGroup && <RoomSettings room={room} details={details} run={run} onLeft={onLeft} />}
    </div>
  );
}

/**
 * The members. The room contains the first ones; the others are loaded on demand. For moderators they are loaded at
 * once and after each action, because only the pages of members say who is muted.
 */
function useMembers(roomId: string, details: Room | null, changes: number, isModerator: boolean) {
  const { api } = useChat();
  const [loaded, setLoaded] = useState<{ members: Member[]; cursor: string | null } | null>(null);
  const first = details?.members ?? [];
  const count = details?.memberCount ?? 0;
  const load = useCallback(
    async (cursor?: string | null) => {
      const page = await api.members(roomId, cursor ?? undefined);
      const before = (now: typeof loaded) => (cursor && now ? now.members : []);
      setLoaded((now) => ({ members: [...before(now), ...page.members], cursor: page.nextCursor }));
    },
    [api, roomId],
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: a change of members makes the pages stale
  useEffect(() => {
    if (isModerator) load().catch(() => setLoaded(null));
    else setLoaded(null);
  }, [changes, isModerator, load]);
  return {
    members: loaded?.members ?? first,
    hasMore: loaded ? loaded.cursor !== null : count > first.length,
    loadMore: () => load(loaded?.cursor),
    refresh: load,
  };
}
