import { useEffect, useState } from "react";
import { Avatar } from "@/components/ui/avatar";
import { Button } from "@/components/ui/button";
import { BackIcon, CloseIcon, PeopleIcon } from "@/components/ui/icons";
import { cn } from "@/lib/cn";
import type { Room } from "@/lib/protocol";
import { roomTitle } from "@/lib/text";
import { useChat } from "../chat-context";
import { type ChatRoomHandle, useChatRoom } from "../use-chat-room";
import { ConnectionBanner } from "./ConnectionBanner";
import { MessageInput } from "./MessageInput";
import { MessageList } from "./MessageList";
import { OnlineUsers } from "./OnlineUsers";
import { TypingIndicator } from "./TypingIndicator";

interface ChatRoomProps {
  roomId: string;
  /** As the list has it; a room opened by its address alone is asked for. */
  listed: Room | undefined;
  onBack: () => void;
  onSignOut: () => void;
}

export function ChatRoom({ roomId, listed, onBack, onSignOut }: ChatRoomProps) {
  const { userId } = useChat();
  const room = useChatRoom(roomId, userId);
  const details = useDetails(roomId, listed, room.roomChanges);
  const [people, setPeople] = useState(() => matchMedia("(min-width: 80rem)").matches);

  const title = details ? roomTitle(details, userId) : "Conversation";
  const isDirect = details?.type === "direct";
  const other = isDirect ? details.participantIds.find((id) => id !== userId) : undefined;
  const unsent = room.messages.filter((message) => message.status === "sending").length;
  return (
    <div className="flex min-h-0 flex-1">
      <section aria-label={title} className={cn("flex min-w-0 flex-1 flex-col", people && "max-lg:hidden")}>
        <header className="flex h-16 shrink-0 items-center gap-3 border-b bg-card/80 px-3 sm:px-4">
          <Button
            variant="ghost"
            size="icon"
            aria-label="All conversations"
            className="md:hidden"
            onClick={onBack}
          >
            <BackIcon />
          </Button>
          <Avatar
            id={title}
            group={!isDirect}
            online={room.isConnected && other !== undefined && room.onlineUsers.includes(other)}
          />
          <div className="min-w-0 flex-1">
            <h2 className="truncate font-semibold leading-tight">
              <bdi>{title}</bdi>
            </h2>
            <p className="truncate text-muted-foreground text-xs" data-testid="presence">
              {presence(room, other, details)}
            </p>
          </div>
          <Button
            variant="ghost"
            size="icon"
            aria-label="People"
            aria-pressed={people}
            onClick={() => setPeople(!people)}
          >
            <PeopleIcon />
          </Button>
        </header>
        <ConnectionBanner
          status={room.connection}
          unsent={unsent}
          onReconnect={room.reconnect}
          onSignOut={onSignOut}
        />
        <MessageList
          room={room}
          me={userId}
          title={title}
          seenSeq={other ? (room.readMarkers[other] ?? null) : null}
        />
        <TypingIndicator users={room.typingUsers} />
        {room.notice && (
          <p role="alert" className="mx-auto w-full max-w-4xl px-5 pb-1 text-destructive text-xs">
            {room.notice.message}
          </p>
        )}
        <MessageInput
          placeholder={`Message ${title}`}
          disabled={room.connection.kind === "stopped"}
          onSend={room.sendMessage}
          onTyping={room.sendTyping}
        />
      </section>
      {people && (
        <aside aria-label="People" className="flex w-full shrink-0 flex-col border-l bg-card/50 lg:w-64">
          <div className="flex h-16 shrink-0 items-center justify-between border-b px-4">
            <h2 className="font-semibold text-sm">People</h2>
            <Button variant="ghost" size="icon" aria-label="Close people" onClick={() => setPeople(false)}>
              <CloseIcon className="size-4.5" />
            </Button>
          </div>
          <div className="min-h-0 flex-1 overflow-y-auto p-3">
            <OnlineUsers
              users={room.onlineUsers}
              members={details?.members ?? []}
              memberCount={details?.memberCount ?? 0}
              me={userId}
              isConnected={room.isConnected}
            />
          </div>
        </aside>
      )}
    </div>
  );
}

function presence(room: ChatRoomHandle, other: string | undefined, details: Room | null): string {
  if (!room.isConnected) return "Not connected";
  if (other !== undefined) return room.onlineUsers.includes(other) ? "Online" : "Away";
  const count = details ? ` of ${details.memberCount}` : "";
  return `${room.onlineUsers.length}${count} online`;
}

/** The room itself; asked for again when an event says that it or its members changed. */
function useDetails(roomId: string, listed: Room | undefined, changes: number): Room | null {
  const { api } = useChat();
  const [asked, setAsked] = useState<Room | null>(null);
  const needed = !listed || changes > 0;
  // biome-ignore lint/correctness/useExhaustiveDependencies: each change is a reason to ask again
  useEffect(() => {
    if (!needed) return;
    let current = true;
    api.room(roomId).then(
      (room) => {
        if (current) setAsked(room);
      },
      () => {}, // The banner says what is wrong; without an answer the title stays general.
    );
    return () => {
      current = false;
    };
  }, [api, roomId, needed, changes]);
  return changes > 0 ? (asked ?? listed ?? null) : (listed ?? asked);
}
