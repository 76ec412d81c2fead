/** The SDK's public entry, for pages, bots and other frameworks. It needs neither React nor a browser page. */
export { ChatApi } from "./api";
export { ChatClient, type ChatClientOptions, type NotificationChange } from "./chat-client";
export { ApiError, type GetToken, SignedOut } from "./http";
export { browserOutbox, noOutbox, type Outbox } from "./outbox";
export type { Person as ShownPerson, Presence } from "./people";
export type * from "./protocol";
export { RoomClient, type RoomClientOptions, type RoomSnapshot, type SendOptions } from "./room-client";
export type { RoomState } from "./room-state";
export { type ChatMessage, type MessageStatus, typingUsers, unreadOf } from "./room-view";
export { browserSavedView, noSavedView, type SavedView } from "./saved-view";
export type { ConnectionStatus, SocketOptions } from "./socket";
