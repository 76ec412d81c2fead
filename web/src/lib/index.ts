/** The SDK: what a page, a bot or another framework builds on. No React, and nothing that needs a page to load. */
export { ApiError, ChatApi, type GetToken, SignedOut } from "./api";
export { ChatClient, type ChatClientOptions } from "./chat-client";
export { browserOutbox, noOutbox, type Outbox } from "./outbox";
export type * from "./protocol";
export { RoomClient, type RoomClientOptions, type RoomSnapshot, type SendOptions } from "./room-client";
export type { RoomState } from "./room-state";
export { type ChatMessage, type MessageStatus, typingUsers, unreadOf } from "./room-view";
export type { ConnectionStatus, SocketOptions } from "./socket";
