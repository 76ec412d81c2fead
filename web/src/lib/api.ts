/** The REST client: one method per route; every failure is an `ApiError`. It retries only after a 401, and caches nothing. */

import type * as inputs from "./api-inputs";
import {
  ApiError,
  errorOf,
  type GetToken,
  type RequestOptions,
  sendRequest,
  throwUnreachable,
  type UploadOptions,
  uploadFile,
} from "./http";
import type {
  Attachment,
  FollowedThread,
  Member,
  Message,
  MessageFrame,
  MessagePage,
  MessageVersion,
  NotifySettings,
  Person,
  ReactionCounts,
  Reactions,
  Role,
  Room,
  RoomUnread,
  SearchHit,
  ThreadPage,
} from "./protocol";

export type * from "./api-inputs";

export class ChatApi {
  constructor(
    private readonly getToken: GetToken,
    private readonly base = "/api/chat",
    private readonly fetchFn: typeof fetch = (...args) => fetch(...args),
  ) {}

  listRooms(cursor?: string, signal?: AbortSignal) {
    return this.request<{ rooms: Room[]; nextCursor: string | null }>("GET", "/rooms/list", {
      query: { cursor, limit: 50 },
      signal,
    });
  }

  createRoom(room: inputs.NewRoom) {
    return this.request<{ room: Room; created: boolean }>("POST", "/rooms/create", { body: room });
  }

  /** One room. The contract allows two answers, the room itself or `{room}`; both are accepted. */
  async room(id: string): Promise<Room> {
    return unwrapRoom(await this.request<Room | { room: Room }>("GET", roomPath(id)));
  }

  async updateRoom(id: string, change: inputs.RoomPatch): Promise<Room> {
    return unwrapRoom(await this.request<Room | { room: Room }>("PATCH", roomPath(id), { body: change }));
  }

  deleteRoom(id: string) {
    return this.request<unknown>("DELETE", roomPath(id));
  }

  // ---- members ----

  members(roomId: string, cursor?: string, signal?: AbortSignal) {
    const query = { cursor, limit: 100 };
    return this.request<inputs.MemberPage>("GET", roomPath(roomId, "members"), { query, signal });
  }

  addMembers(roomId: string, userIds: string[]) {
    return this.request<{ members: Member[] }>("POST", roomPath(roomId, "members"), { body: { userIds } });
  }

  setRole(roomId: string, userId: string, role: Role) {
    return this.request<{ member: Member }>("PATCH", roomPath(roomId, "members", userId), { body: { role } });
  }

  removeMember(roomId: string, userId: string) {
    return this.request<unknown>("DELETE", roomPath(roomId, "members", userId));
  }

  leave(roomId: string) {
    return this.request<unknown>("POST", roomPath(roomId, "leave"));
  }

  // ---- messages ----

  messages(roomId: string, query: inputs.MessageQuery, signal?: AbortSignal) {
    return this.request<MessagePage>("GET", roomPath(roomId, "messages"), { query: { ...query }, signal });
  }

  sendMessage(roomId: string, message: Omit<MessageFrame, "type">) {
    return this.request<{ message: Message; duplicate: boolean }>("POST", roomPath(roomId, "messages"), {
      body: message,
    });
  }

  editMessage(roomId: string, messageId: string, content: string, baseVersion?: number) {
    const body = { content, ...(baseVersion !== undefined && { baseVersion }) };
    return this.request<{ message: Message }>("PATCH", roomPath(roomId, "messages", messageId), { body });
  }

  deleteMessage(roomId: string, messageId: string) {
    return this.request<{ messageId: string; seq: number }>(
      "DELETE",
      roomPath(roomId, "messages", messageId),
    );
  }

  /** A message's versions, oldest first; with `before` those below it. */
  versions(roomId: string, messageId: string, before?: string) {
    const path = roomPath(roomId, "messages", messageId, "versions");
    return this.request<{ versions: MessageVersion[]; hasMoreBefore: boolean }>("GET", path, {
      query: { before },
    });
  }

  react(roomId: string, messageId: string, emoji: string, on: boolean) {
    const path = roomPath(roomId, "messages", messageId, "reactions", emoji);
    return this.request<{ messageId: string; reactions: Reactions; reactionCounts: ReactionCounts }>(
      on ? "PUT" : "DELETE",
      path,
    );
  }

  /** Everybody who reacted with the emoji, page by page. */
  reactors(roomId: string, messageId: string, emoji: string, cursor?: string) {
    const path = roomPath(roomId, "messages", messageId, "reactions", emoji);
    return this.request<{ userIds: string[]; nextCursor: string | null }>("GET", path, { query: { cursor } });
  }

  /** The pinned messages, newest pin first. */
  listPins(roomId: string) {
    return this.request<inputs.Pins>("GET", roomPath(roomId, "pins"));
  }

  /** Pins or unpins the message. */
  pin(roomId: string, messageId: string, on: boolean) {
    const path = roomPath(roomId, "pins", messageId);
    return this.request<inputs.Pins>(on ? "PUT" : "DELETE", path);
  }

  /** Who has read up to the message: the first 100 by id, and how many in all. */
  listReaders(roomId: string, messageId: string) {
    const path = roomPath(roomId, "messages", messageId, "readers");
    return this.request<{ userIds: string[]; count: number }>("GET", path);
  }

  report(roomId: string, messageId: string, reason: string) {
    return this.request<unknown>("POST", roomPath(roomId, "messages", messageId, "report"), {
      body: { reason },
    });
  }

  /** My own reports and what became of them, newest first. */
  listOwnReports(cursor?: string) {
    return this.request<inputs.OwnReports>("GET", "/people/me/reports", { query: { cursor, limit: 100 } });
  }

  thread(roomId: string, rootId: string, query: { before?: number; limit?: number }, signal?: AbortSignal) {
    return this.request<ThreadPage>("GET", roomPath(roomId, "threads", rootId), { query, signal });
  }

  /** The threads that I follow, newest reply first; a page may be empty and still have a cursor. */
  listThreads(cursor?: string, signal?: AbortSignal) {
    return this.request<{ threads: FollowedThread[]; nextCursor: string | null }>("GET", "/threads", {
      query: { cursor },
      signal,
    });
  }

  /** Moves my marker of the thread forward. Without Postgres it fails: send the newest one again later. */
  markThreadRead(roomId: string, rootId: string, seq: number) {
    return this.request<{ lastReadSeq: number }>("POST", roomPath(roomId, "threads", rootId, "read"), {
      body: { seq },
    });
  }

  // ---- read markers, mentions, search, notifications ----

  read(roomId: string, seq: number) {
    return this.request<unknown>("POST", roomPath(roomId, "read"), { body: { seq } });
  }

  /** Moves my read marker back: everything from `seq` on is unread again. */
  unread(roomId: string, seq: number) {
    return this.request<unknown>("POST", roomPath(roomId, "unread"), { body: { seq } });
  }

  /** My rooms with something unread; a page may be empty and still have a cursor. */
  unreadRooms(cursor?: string, signal?: AbortSignal) {
    return this.request<{ rooms: RoomUnread[]; nextCursor: string | null }>("GET", "/unread", {
      query: { cursor },
      signal,
    });
  }

  mentions(cursor?: string, signal?: AbortSignal) {
    return this.request<{ messages: Message[]; nextCursor: string | null }>("GET", "/mentions", {
      query: { cursor },
      signal,
    });
  }

  /** Saves a message for later, for me alone. */
  saveMessage(roomId: string, messageId: string) {
    return this.request<inputs.SavedState>("PUT", savedPath(roomId, messageId));
  }

  unsaveMessage(roomId: string, messageId: string) {
    return this.request<inputs.SavedState>("DELETE", savedPath(roomId, messageId));
  }

  /** What I have saved, the newest first; a page may be empty and still have a cursor. */
  listSaved(cursor?: string, signal?: AbortSignal) {
    return this.request<{ messages: Message[]; nextCursor: string | null }>("GET", "/saved", {
      query: { cursor, limit: 100 },
      signal,
    });
  }

  search(query: inputs.SearchQuery, signal?: AbortSignal) {
    return this.request<{ hits: SearchHit[]; nextCursor: string | null }>("GET", "/search", {
      query: { ...query },
      signal,
    });
  }

  notificationSettings(roomId: string) {
    return this.request<NotifySettings>("GET", roomPath(roomId, "notification-settings"));
  }

  setNotificationSettings(roomId: string, settings: Partial<NotifySettings>) {
    return this.request<NotifySettings>("PUT", roomPath(roomId, "notification-settings"), { body: settings });
  }

  // ---- push ----

  pushKey() {
    return this.request<{ publicKey: string }>("GET", "/push/key");
  }

  /** The same device keeps its id. */
  subscribeToPush(subscription: PushSubscriptionJSON & { device: string }) {
    const { endpoint, keys, device } = subscription;
    return this.request<{ id: string }>("POST", "/push/subscriptions", { body: { endpoint, keys, device } });
  }

  unsubscribeFromPush(id: string) {
    return this.request<unknown>("DELETE", `/push/subscriptions/${encodeURIComponent(id)}`);
  }

  // ---- people ----

  /** People whose names or ids contain the words of `q`; a page may be empty and still have a cursor. */
  people(query: inputs.PeopleQuery, signal?: AbortSignal) {
    return this.request<{ people: Person[]; nextCursor: string | null }>("GET", "/people", {
      query: { ...query },
      signal,
    });
  }

  /** These people, at most 100; unknown ones are left out. */
  peopleById(userIds: string[], signal?: AbortSignal) {
    const ids = userIds.map((id) => id.replaceAll("%", "%25").replaceAll(",", "%2C")).join(",");
    return this.request<{ people: Person[]; nextCursor: null }>("GET", "/people", { query: { ids }, signal });
  }

  async person(userId: string, signal?: AbortSignal): Promise<Person> {
    return (await this.request<{ person: Person }>("GET", personPath(userId), { signal })).person;
  }

  ownProfile(signal?: AbortSignal) {
    return this.request<inputs.OwnProfile>("GET", "/people/me", { signal });
  }

  updateOwnProfile(change: inputs.OwnProfileChange) {
    return this.request<inputs.OwnProfile>("PATCH", "/people/me", { body: change });
  }

  setBlock(userId: string, isBlocked: boolean) {
    return this.request<unknown>(isBlocked ? "PUT" : "DELETE", personPath(userId, "block"), {});
  }

  blocks = (signal?: AbortSignal) =>
    this.request<{ people: Person[] }>("GET", "/people/me/blocks", { signal });

  // ---- moderation ----

  mute(roomId: string, userId: string, until?: string) {
    return this.request<unknown>("PUT", roomPath(roomId, "mutes", userId), { body: until ? { until } : {} });
  }

  unmute(roomId: string, userId: string) {
    return this.request<unknown>("DELETE", roomPath(roomId, "mutes", userId));
  }

  ban(roomId: string, userId: string, options: { until?: string; reason?: string } = {}) {
    return this.request<unknown>("PUT", roomPath(roomId, "bans", userId), { body: options });
  }

  unban(roomId: string, userId: string) {
    return this.request<unknown>("DELETE", roomPath(roomId, "bans", userId));
  }

  setSlowMode(roomId: string, seconds: number) {
    return this.request<unknown>("PUT", roomPath(roomId, "slow-mode"), { body: { seconds } });
  }

  audit(roomId: string, cursor?: string) {
    return this.request<inputs.AuditPage>("GET", roomPath(roomId, "audit"), { query: { cursor } });
  }

  /** Why the inbox refuses an upgrade; `null` if it would accept one now. Browsers hide the answer of an upgrade. */
  async inboxRefusal(): Promise<{ code: number; reason: string } | null> {
    const path = `${this.base.slice(0, this.base.length - "/api/chat".length)}/chat/inbox`;
    const headers = { Authorization: `Bearer ${await this.getToken({ fresh: false })}` };
    const { status } = await this.fetchFn(path, { headers });
    // A server without an inbox answers with the page or 404, one with an inbox 426 (it wants an upgrade).
    return [200, 403, 404].includes(status) ? { code: status, reason: "refused" } : null;
  }

  // ---- files ----

  /** Uploads with XMLHttpRequest, because fetch reports no upload progress. */
  async upload(roomId: string, file: File, options: UploadOptions = {}): Promise<Attachment> {
    const path = this.base + roomPath(roomId, "attachments");
    try {
      return await uploadFile(path, await this.getToken({ fresh: false }), file, options);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      return uploadFile(path, await this.getToken({ fresh: true }), file, options);
    }
  }

  /**
   * A URL that `<img>` and `<video>` can load, for five minutes. The deletion of the message and the end of the
   * membership end it earlier.
   */
  async downloadUrl(attachmentId: string): Promise<string> {
    const roomId = attachmentId.slice(0, attachmentId.lastIndexOf("."));
    const path = roomPath(roomId, "attachments", attachmentId, "url");
    const { url } = await this.request<{ url: string; expiresAt: string }>("GET", path);
    return this.base + url.slice("/api/chat".length);
  }

  /** Downloads an attachment. A plain link would not work, because the request needs a token. */
  async download(attachmentId: string, signal?: AbortSignal): Promise<Blob> {
    const path = `${this.base}/attachments/${encodeURIComponent(attachmentId)}`;
    const get = async (fresh: boolean) => {
      const headers = { Authorization: `Bearer ${await this.getToken({ fresh })}` };
      return this.fetchFn(path, signal ? { headers, signal } : { headers });
    };
    let response = await get(false).catch((error: unknown) => throwUnreachable(error, signal));
    if (response.status === 401) response = await get(true);
    if (!response.ok) throw await errorOf(response);
    return response.blob();
  }

  private async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    try {
      return await sendRequest<T>(
        this.fetchFn,
        method,
        this.base + path,
        await this.getToken({ fresh: false }),
        options,
      );
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      return sendRequest<T>(
        this.fetchFn,
        method,
        this.base + path,
        await this.getToken({ fresh: true }),
        options,
      );
    }
  }
}

const personPath = (...parts: string[]): string => `/people/${parts.map(encodeURIComponent).join("/")}`;

const roomPath = (...parts: string[]): string => `/rooms/${parts.map(encodeURIComponent).join("/")}`;

const savedPath = (...parts: string[]): string => `/saved/${parts.map(encodeURIComponent).join("/")}`;

const unwrapRoom = (answer: Room | { room: Room }): Room => ("room" in answer ? answer.room : answer);
