/** The part of a room's state that is saved for a start without a connection, and how it becomes a state again. Pure. */
import { PAGE_COUNT, type RoomState } from "./room-state";

export type SavedRoom = Pick<
  RoomState,
  | "seq"
  | "epoch"
  | "messages"
  | "oldestSeq"
  | "hasMore"
  | "role"
  | "notify"
  | "details"
  | "readMarkers"
  | "lastReadSeq"
>;

/** The newest messages and the position after them; `null` while the state is incomplete. */
export function toSaved(state: RoomState): SavedRoom | null {
  if (state.phase !== "live" || state.seq === null) return null;
  const gapless = state.messages.filter(({ seq }) => seq >= state.oldestSeq);
  const messages = gapless.slice(-PAGE_COUNT);
  const isWhole = messages.length === gapless.length;
  const { seq, epoch, role, notify, details, readMarkers, lastReadSeq } = state;
  return {
    ...{ seq, epoch, role, notify, details, readMarkers, lastReadSeq, messages },
    oldestSeq: isWhole ? state.oldestSeq : (messages[0]?.seq ?? state.oldestSeq),
    hasMore: state.hasMore || !isWhole,
  };
}

/** The state of a client that was connected until it was saved. What is loaded already is newer and stays. */
export function withSaved(state: RoomState, saved: SavedRoom): RoomState {
  if (state.phase !== "start" || state.seq !== null) return state;
  return { ...state, ...saved, phase: "away", confirmedReadSeq: saved.lastReadSeq };
}
