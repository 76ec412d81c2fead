/** The reducer as tests use it: a state, and what happens to it. */
import type { ServerEvent } from "@/lib/protocol";
import { type Action, roomReducer } from "@/lib/room-reducer";
import { initialRoomState, type RoomState } from "@/lib/room-state";
import { RoomView } from "@/lib/room-view";
import { hello } from "./fake-server";

export const execute = (state: RoomState, ...actions: Action[]) => actions.reduce(roomReducer, state);
export const receive = (state: RoomState, ...events: ServerEvent[]) =>
  execute(state, { type: "events", events, nowMs: 1_000 });
/** alice's room after its greeting and these events. */
export const live = (...events: ServerEvent[]) => receive(initialRoomState("alice"), hello(0), ...events);
export const view = (state: RoomState) => new RoomView().room(state);
