/** Which messages of a room are pinned, and the function that pins and unpins one. */
import { useCallback, useEffect, useMemo } from "react";
import { t } from "@/i18n/i18n";
import { ApiError } from "@/lib/http";
import { useChat } from "./chat-context";
import { errorText } from "./explain";
import type { ChatRoomHandle } from "./use-chat-room";

/** The contract's limit of a room (PIN-3). */
export const PINS_MAX = 50;

export function usePins({ client, state, isConnected }: ChatRoomHandle, toast: (text: string) => void) {
  const { api } = useChat();
  const { roomId } = client;
  const isUnknown = isConnected && state.phase === "live" && state.pins === null;
  useEffect(() => {
    // Without an answer there are no marks; the panel says why.
    if (isUnknown) client.loadPins().catch(() => {});
  }, [client, isUnknown]);
  const pins = useMemo(() => new Set(state.pins ?? []), [state.pins]);
  const togglePin = useCallback(
    ({ id }: { id: string }) => {
      const isPinned = pins.has(id);
      api.pin(roomId, id, !isPinned).then(
        () => toast(isPinned ? t.pins.unpinned : t.pins.pinned),
        (failure: unknown) => toast(pinError(failure)),
      );
    },
    [api, roomId, pins, toast],
  );
  return { pins, togglePin };
}

/** A room that has as many pins as it may have is the only thing that can be invalid. */
const pinError = (failure: unknown): string =>
  failure instanceof ApiError && failure.code === "invalid" ? t.pins.full(PINS_MAX) : errorText(failure);
