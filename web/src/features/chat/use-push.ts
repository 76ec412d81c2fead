/** Pushes to this device: whether they are on, and turning them on and off. */
import { useEffect, useSyncExternalStore } from "react";
import { useChat } from "./chat-context";

export function usePush() {
  const { push } = useChat();
  useEffect(() => void push.start().catch(() => {}), [push]);
  const state = useSyncExternalStore(push.subscribe, push.getState);
  return { state, turnOn: () => push.turnOn(), turnOff: () => push.turnOff() };
}
