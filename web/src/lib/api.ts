/**
 * REST: one method a route, errors as `ApiError`. No state but the way to a token.
 * What deliberately isn't here: retries (except once with a fresh token after a 401) and caching.
 */
import type {
  Attachment,
  AuditEntry,
  ErrorBody,
  Member,
  Message,
  MessageFrame,
  MessagePage,
  MessageVersion,
  NotifySettings,
  Reactions,
  Role,
  Room,
  RoomType,
  RoomUnread,
  SearchHit,
  ThreadPage,
} from "./protocol";

/** Gives a token; `fresh` means the last one was refused. Throws `SignedOut` when there is none to be had. */
export type GetToken = (options: { fresh: boolean }) => Promise<string>;

export class SignedOut extends Error {
  override name = "SignedOut";
}

export class ApiError extends Error {
  override name = "ApiError";
  constructor(
    /** HTTP status; 0 when there was no answer at all. */
    readonly status: number,
    readonly body: ErrorBody,
    readonly requestId: string | null,
  ) {
    super(body.message);
  }
  get code(): string {
    return this.body.code;
  }
}

export interface NewRoom {
  type: RoomType;
  name?: string;
  participantIds: string[];
}

export interface MessageQuery {
  before?: number;
  after?: number;
  around?: number;
  limit?: number;
}

export interface RoomChange {
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

export interface UploadOptions {
  /** Between 0 and 1. */
  onProgress?: (part: number) => void;
  signal?: AbortSignal;
}

type Query = Record<string, string | number | undefined>;
type Call = { query?: Query | undefined; body?: unknown; signal?: AbortSignal | undefined };

export class ChatApi {
  constructor(
    private readonly getToken: GetToken,
    private readonly base = "/api/chat",
    private readonly fetchIt: typeof fetch = (...args) => fetch(...args),
  ) {}

  listRooms(cursor?: string, signal?: AbortSignal) {
    return this.call<{ rooms: Room[]; nextCursor: string | null }>("GET", "/rooms/list", {
      query: { cursor, limit: 50 },
      signal,
    });
  }

  createRoom(room: NewRoom) {
    return this.call<{ room: Room; created: boolean }>("POST", "/rooms/create", { body: room });
  }

  /** One room. The contract's route answers the room itself or `{room}`; both are read. */
  async room(id: string): Promise<Room> {
    return bare(await this.call<Room | { room: Room }>("GET", roomPath(id)));
  }

  async changeRoom(id: string, change: RoomChange): Promise<Room> {
    return bare(await this.call<Room | { room: Room }>("PATCH", roomPath(id), { body: change }));
  }

  deleteRoom(id: string) {
    return this.call<unknown>("DELETE", roomPath(id));
  }

  // ---- members ----

  members(roomId: string, cursor?: string, signal?: AbortSignal) {
    const query = { cursor, limit: 100 };
    return this.call<{ members: Member[]; nextCursor: string | null }>("GET", roomPath(roomId, "members"), {
      query,
      signal,
    });
  }

  addMembers(roomId: string, userIds: string[]) {
    return this.call<{ members: Member[] }>("POST", roomPath(roomId, "members"), { body: { userIds } });
  }

  setRole(roomId: string, userId: string, role: Role) {
    return this.call<{ member: Member }>("PATCH", roomPath(roomId, "members", userId), { body: { role } });
  }

  removeMember(roomId: string, userId: string) {
    return this.call<unknown>("DELETE", roomPath(roomId, "members", userId));
  }

  leave(roomId: string) {
    return this.call<unknown>("POST", roomPath(roomId, "leave"));
  }

  // ---- messages ----

  messages(roomId: string, query: MessageQuery, signal?: AbortSignal) {
    return this.call<MessagePage>("GET", roomPath(roomId, "messages"), { query: { ...query }, signal });
  }

  sendMessage(roomId: string, message: Omit<MessageFrame, "type">) {
    return this.call<{ message: Message; duplicate: boolean }>("POST", roomPath(roomId, "messages"), {
      body: message,
    });
  }

  editMessage(roomId: string, messageId: string, content: string, baseVersion?: number) {
    const body = { content, ...(baseVersion !== undefined && { baseVersion }) };
    return this.call<{ message: Message }>("PATCH", roomPath(roomId, "messages", messageId), { body });
  }

  deleteMessage(roomId: string, messageId: string) {
    return this.call<{ messageId: string; seq: number }>("DELETE", roomPath(roomId, "messages", messageId));
  }

  versions(roomId: string, messageId: string) {
    return this.call<{ versions: MessageVersion[] }>(
      "GET",
      roomPath(roomId, "messages", messageId, "versions"),
    );
  }

  react(roomId: string, messageId: string, emoji: string, on: boolean) {
    const path = roomPath(roomId, "messages", messageId, "reactions", emoji);
    return this.call<{ messageId: string; reactions: Reactions }>(on ? "PUT" : "DELETE", path);
  }

  report(roomId: string, messageId: string, reason: string) {
    return this.call<unknown>("POST", roomPath(roomId, "messages", messageId, "report"), {
      body: { reason },
    });
  }

  thread(roomId: string, rootId: string, query: { before?: number; limit?: number }, signal?: AbortSignal) {
    return this.call<ThreadPage>("GET", roomPath(roomId, "threads", rootId), { query, signal });
  }

  // ---- what was read, and what wants to be ----

  read(roomId: string, seq: number) {
    return this.call<unknown>("POST", roomPath(roomId, "read"), { body: { seq } });
  }

  /** Everything from `seq` on is unread again. */
  unread(roomId: string, seq: number) {
    return this.call<unknown>("POST", roomPath(roomId, "unread"), { body: { seq } });
  }

  unreadRooms(signal?: AbortSignal) {
    return this.call<{ rooms: RoomUnread[] }>("GET", "/unread", { signal });
  }

  mentions(cursor?: string, signal?: AbortSignal) {
    return this.call<{ messages: Message[]; nextCursor: string | null }>("GET", "/mentions", {
      query: { cursor },
      signal,
    });
  }

  search(query: SearchQuery, signal?: AbortSignal) {
    return this.call<{ hits: SearchHit[]; nextCursor: string | null }>("GET", "/search", {
      query: { ...query },
      signal,
    });
  }

  notificationSettings(roomId: string) {
    return this.call<NotifySettings>("GET", roomPath(roomId, "notification-settings"));
  }

  setNotificationSettings(roomId: string, settings: Partial<NotifySettings>) {
    return this.call<NotifySettings>("PUT", roomPath(roomId, "notification-settings"), { body: settings });
  }

  // ---- moderation ----

  mute(roomId: string, userId: string, until?: string) {
    return this.call<unknown>("PUT", roomPath(roomId, "mutes", userId), { body: until ? { until } : {} });
  }

  unmute(roomId: string, userId: string) {
    return this.call<unknown>("DELETE", roomPath(roomId, "mutes", userId));
  }

  ban(roomId: string, userId: string, options: { until?: string; reason?: string } = {}) {
    return this.call<unknown>("PUT", roomPath(roomId, "bans", userId), { body: options });
  }

  unban(roomId: string, userId: string) {
    return this.call<unknown>("DELETE", roomPath(roomId, "bans", userId));
  }

  setSlowMode(roomId: string, seconds: number) {
    return this.call<unknown>("PUT", roomPath(roomId, "slow-mode"), { body: { seconds } });
  }

  audit(roomId: string, cursor?: string) {
    return this.call<{ entries: AuditEntry[]; nextCursor: string | null }>("GET", roomPath(roomId, "audit"), {
      query: { cursor },
    });
  }

  // ---- files ----

  /** By XMLHttpRequest, because fetch doesn't tell how far an upload is. */
  async upload(roomId: string, file: File, options: UploadOptions = {}): Promise<Attachment> {
    const path = this.base + roomPath(roomId, "attachments");
    try {
      return await uploadFile(path, await this.getToken({ fresh: false }), file, options);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      return uploadFile(path, await this.getToken({ fresh: true }), file, options);
    }
  }

  /** What was attached, as bytes: the address alone is of no use without a token. */
  async download(attachmentId: string, signal?: AbortSignal): Promise<Blob> {
    const path = `${this.base}/attachments/${encodeURIComponent(attachmentId)}`;
    const get = async (fresh: boolean) => {
      const headers = { Authorization: `Bearer ${await this.getToken({ fresh })}` };
      return this.fetchIt(path, signal ? { headers, signal } : { headers });
    };
    let response = await get(false).catch((error: unknown) => unreachable(error, signal));
    if (response.status === 401) response = await get(true);
    if (!response.ok) throw await refused(response);
    return response.blob();
  }

  private async call<T>(method: string, path: string, call: Call = {}): Promise<T> {
    try {
      return await send<T>(
        this.fetchIt,
        method,
        this.base + path,
        await this.getToken({ fresh: false }),
        call,
      );
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      return send<T>(this.fetchIt, method, this.base + path, await this.getToken({ fresh: true }), call);
    }
  }
}

export interface DevIdentity {
  sub: string;
  tenant?: string;
  name?: string;
}

/** A token from a development build's own door; `null` where there is no such door (404). */
export async function devToken(identity: DevIdentity, base = "/api/chat"): Promise<string | null> {
  try {
    return (await send<{ token: string }>(fetch, "POST", `${base}/dev/token`, null, { body: identity }))
      .token;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** Whether this deployment signs people in for development. An empty identity is refused, so nothing is made by asking. */
export async function hasDevSignIn(): Promise<boolean> {
  try {
    return (await devToken({ sub: "" })) !== null;
  } catch (error) {
    if (error instanceof ApiError && error.status > 0 && error.status < 500) return true;
    throw error;
  }
}

async function send<T>(
  fetchIt: typeof fetch,
  method: string,
  path: string,
  token: string | null,
  { query, body, signal }: Call,
): Promise<T> {
  const headers: Record<string, string> = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const init: RequestInit = { method, headers };
  if (body !== undefined) init.body = JSON.stringify(body);
  if (signal) init.signal = signal;

  const response = await fetchIt(path + queryText(query), init).catch((error: unknown) =>
    unreachable(error, signal),
  );
  if (!response.ok) throw await refused(response);
  return (await response.json().catch(() => null)) as T;
}

function unreachable(error: unknown, signal: AbortSignal | undefined): never {
  if (signal?.aborted) throw error;
  const body = { code: "unreachable", message: "The server can't be reached.", retryable: true };
  throw new ApiError(0, body, null);
}

async function refused(response: Response): Promise<ApiError> {
  const json: unknown = await response.json().catch(() => null);
  return new ApiError(
    response.status,
    errorBody(json, response.status),
    response.headers.get("X-Request-Id"),
  );
}

function uploadFile(
  path: string,
  token: string,
  file: File,
  { onProgress, signal }: UploadOptions,
): Promise<Attachment> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "json";
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    // A header holds ASCII alone; the server reads the name percent-encoded.
    request.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
    request.upload.onprogress = (event) => {
      if (event.lengthComputable && event.total > 0) onProgress?.(event.loaded / event.total);
    };
    request.onload = () => {
      const json: { attachment?: Attachment } | null = request.response;
      if (request.status < 300 && json?.attachment) resolve(json.attachment);
      else {
        const id = request.getResponseHeader("X-Request-Id");
        reject(new ApiError(request.status, errorBody(json, request.status), id));
      }
    };
    request.onerror = () => {
      const body = { code: "unreachable", message: "The server can't be reached.", retryable: true };
      reject(new ApiError(0, body, null));
    };
    request.onabort = () => reject(new DOMException("Aborted", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

const roomPath = (...parts: string[]): string => `/rooms/${parts.map(encodeURIComponent).join("/")}`;

const bare = (answer: Room | { room: Room }): Room => ("room" in answer ? answer.room : answer);

function queryText(query: Query = {}): string {
  const pairs = Object.entries(query).filter(
    (pair): pair is [string, string | number] => pair[1] !== undefined,
  );
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs.map(([k, v]) => [k, String(v)]))}`;
}

function errorBody(json: unknown, status: number): ErrorBody {
  const error = (json as { error?: ErrorBody } | null)?.error;
  if (typeof error?.code === "string") return error;
  // A proxy's page, or nothing: not our server's answer.
  return { code: "internal", message: `The server answered ${status}.`, retryable: status >= 500 };
}
