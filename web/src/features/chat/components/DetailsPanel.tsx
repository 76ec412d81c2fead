/** About a room: who is in it, how it tells me of itself, and what those who may can change. */
import { useCallback, useEffect, useState } from "react";
import { Button } from "@/components/ui/button";
import { FormError } from "@/components/ui/field";
import type { Member, Room } from "@/lib/protocol";
import { useChat } from "../chat-context";
import { messageOf } from "../explain";
import { isAtLeast } from "../message-actions";
import type { ChatRoomHandle } from "../use-chat-room";
import { AddPeople } from "./AddPeople";
import { NotificationSettings } from "./NotificationSettings";
import { OnlineUsers } from "./OnlineUsers";
import { RoomSettings } from "./RoomSettings";

interface DetailsPanelProps {
  room: ChatRoomHandle;
  details: Room | null;
  onGone: (() => void) | undefined;
}

export default function DetailsPanel({ room, details, onGone }: DetailsPanelProps) {
  const { userId } = useChat();
  const { client, role, isConnected, onlineUsers } = room;
  const list = useMembers(client.roomId, details, room.roomChanges);
  const [error, setError] = useState<string | null>(null);
  const isGroup = details?.type === "group";
  const run = useCallback(async (work: () => Promise<unknown>): Promise<boolean> => {
    setError(null);
    try {
      await work();
      return true;
    } catch (failure) {
      setError(messageOf(failure));
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
        manage={isGroup ? { roomId: client.roomId, role, run } : null}
      />
      {list.hasMore && (
        <Button variant="ghost" size="sm" className="w-full" onClick={() => void run(list.loadMore)}>
          More people
        </Button>
      )}
      {isGroup && isAtLeast(role, "admin") && <AddPeople roomId={client.roomId} run={run} />}
      <NotificationSettings room={room} run={run} />
      {details && <RoomSettings {...{ room, details, run, onGone }} />}
    </div>
  );
}

/** The first members come with the room; all of them are asked for when there are more. */
function useMembers(roomId: string, details: Room | null, changes: number) {
  const { api } = useChat();
  const [loaded, setLoaded] = useState<{ members: Member[]; cursor: string | null } | null>(null);
  const first = details?.members ?? [];
  const count = details?.memberCount ?? 0;
  // biome-ignore lint/correctness/useExhaustiveDependencies: whoever joined or left makes the pages old
  useEffect(() => setLoaded(null), [changes, roomId]);
  const loadMore = useCallback(async () => {
    const page = await api.members(roomId, loaded?.cursor ?? undefined);
    setLoaded((now) => ({ members: [...(now?.members ?? []), ...page.members], cursor: page.nextCursor }));
  }, [api, roomId, loaded]);
  return {
    members: loaded?.members ?? first,
    hasMore: loaded ? loaded.cursor !== null : count > first.length,
    loadMore,
  };
}
