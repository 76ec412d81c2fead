/** What the requests of the API take beside ids, where it is more than a text. What they answer is in protocol.ts. */
import type { Operations, RoomType } from "./protocol";

export interface NewRoom {
  type: RoomType;
  name?: string;
  participantIds: string[];
}

export interface MessageQuery {
  before?: number;
  after?: number;
  around?: number;
  /** A time: the page around the first message at or after it. */
  at?: string;
  limit?: number;
}

export interface RoomPatch {
  name?: string;
  topic?: string;
  archived?: boolean;
  historyVisibility?: "all" | "since_join";
  roomMention?: "all" | "admins";
}

export interface SearchQuery {
  q: string;
  roomId?: string;
  from?: string;
  before?: string;
  after?: string;
  cursor?: string;
}

export interface PeopleQuery {
  q?: string;
  roomId?: string;
  cursor?: string;
  limit?: number;
}

export type OwnProfile = Operations["getOwnProfile"]["answer"];
export type OwnProfileChange = Operations["updateOwnProfile"]["body"];

export type SavedState = Operations["saveMessage"]["answer"];

export type OwnReports = Operations["listOwnReports"]["answer"];

export type MemberPage = Operations["listMembers"]["answer"];
export type AuditPage = Operations["listAudit"]["answer"];

/** The pinned messages, newest pin first. */
export type Pins = Operations["listPins"]["answer"];
