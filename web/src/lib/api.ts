/**
 * REST: one method a route, errors as `ApiError`. No state but the way to a token.
 * What deliberately isn't here: retries (except once with a fresh token after a 401) and caching.
 */
import type { ErrorBody, MessagePage, Room, RoomType } from "./protocol";

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
    const answer = await this.call<Room | { room: Room }>("GET", `/rooms/${encodeURIComponent(id)}`);
    return "room" in answer ? answer.room : answer;
  }

  messages(roomId: string, query: MessageQuery, signal?: AbortSignal) {
    return this.call<MessagePage>("GET", `/rooms/${encodeURIComponent(roomId)}/messages`, {
      query: { ...query },
      signal,
    });
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

  let response: Response;
  try {
    response = await fetchIt(path + queryText(query), init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(
      0,
      { code: "unreachable", message: "The server can't be reached.", retryable: true },
      null,
    );
  }
  const requestId = response.headers.get("X-Request-Id");
  const json: unknown = await response.json().catch(() => null);
  if (response.ok) return json as T;
  throw new ApiError(response.status, errorBody(json, response.status), requestId);
}

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
