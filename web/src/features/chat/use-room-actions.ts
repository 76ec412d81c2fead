import { useMemo } from "react";
import { t } from "@/i18n/i18n";
import { useChat } from "./chat-context";
import { errorText } from "./explain";
import { isAtLeast, type MessageActions } from "./message-actions";
import type { Composing, DialogRequest, Panel } from "./panels";
import type { ChatRoomHandle } from "./use-chat-room";
import { usePins } from "./use-pins";

interface ActionParts {
  room: ChatRoomHandle;
  isGroup: boolean;
  isReadOnly: boolean;
  setComposing: (composing: Composing) => void;
  setDialog: (dialog: DialogRequest) => void;
  setPanel: (panel: Panel) => void;
  goTo: MessageActions["goTo"];
  toast: (text: string) => void;
}

/** The actions of the messages of a room, stable while their inputs are. */
export function useRoomActions(parts: ActionParts): MessageActions {
  const { isGroup, isReadOnly, setComposing, setDialog, setPanel, goTo, toast } = parts;
  const { client, role } = parts.room;
  const { userId } = useChat();
  const { pins, togglePin } = usePins(parts.room, toast);
  const mayPin = !isReadOnly && (!isGroup || isAtLeast(role, "admin"));
  return useMemo(
    () => ({
      me: userId,
      roomId: client.roomId,
      role,
      isGroup,
      isReadOnly,
      goTo,
      toast,
      find: (id) => client.view.message(client.getSnapshot().state, id),
      react: client.sendReaction,
      reply: (message) => setComposing({ kind: "reply", message }),
      edit: (message) => setComposing({ kind: "edit", message }),
      remove: (message) => setDialog({ kind: "delete", message }),
      report: (message) => setDialog({ kind: "report", message }),
      versions: (message) => setDialog({ kind: "versions", message }),
      who: (message) => setDialog({ kind: "who", message }),
      pins,
      togglePin: mayPin ? togglePin : null,
      openPins: () => setPanel({ kind: "pins" }),
      pickDate: (from) => setDialog({ kind: "date", from }),
      openThread: (rootId) => setPanel({ kind: "thread", rootId }),
      markUnread: (message) => {
        client.markUnread(message.seq).then(
          () => toast(t.room.markedUnread),
          (failure: unknown) => toast(errorText(failure)),
        );
      },
      retry: client.retry,
      discard: client.discard,
    }),
    [
      client,
      role,
      userId,
      isGroup,
      isReadOnly,
      setComposing,
      setDialog,
      setPanel,
      goTo,
      toast,
      pins,
      togglePin,
      mayPin,
    ],
  );
}
