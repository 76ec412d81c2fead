/**
 * How a REST request is sent: headers, query, JSON body, upload, and the errors. Which routes exist is in api.ts. Error
 * texts in this file are for logs; features/chat/explain.ts has the texts for people, by error code.
 */
import type { Attachment, ErrorBody } from "./protocol";

/** Returns a token; `fresh` means that the last one was refused. Throws `SignedOut` if there is none. */
export type GetToken = (options: { fresh: boolean }) => Promise<string>;

export class SignedOut extends Error {
  override name = "SignedOut";
}

export class ApiError extends Error {
  override name = "ApiError";
  constructor(
    /** HTTP status; 0 if there was no answer. */
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

export interface UploadOptions {
  /** Between 0 and 1. */
  onProgress?: (part: number) => void;
  signal?: AbortSignal;
}

export type Query = Record<string, string | number | undefined>;
export type RequestOptions = { query?: Query | undefined; body?: unknown; signal?: AbortSignal | undefined };

export async function sendRequest<T>(
  fetchFn: typeof fetch,
  method: string,
  path: string,
  token: string | null,
  { query, body, signal }: RequestOptions,
): Promise<T> {
  const headers: Record<string, string> = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const init: RequestInit = { method, headers };
  if (body !== undefined) init.body = JSON.stringify(body);
  if (signal) init.signal = signal;

  const response = await fetchFn(path + queryText(query), init).catch((error: unknown) =>
    throwUnreachable(error, signal),
  );
  if (!response.ok) throw await errorOf(response);
  return (await response.json().catch(() => null)) as T;
}

export function throwUnreachable(error: unknown, signal: AbortSignal | undefined): never {
  if (signal?.aborted) throw error;
  const body = { code: "unreachable", message: "The server cannot be reached.", retryable: true };
  throw new ApiError(0, body, null);
}

export async function errorOf(response: Response): Promise<ApiError> {
  const json: unknown = await response.json().catch(() => null);
  return new ApiError(
    response.status,
    errorBody(json, response.status),
    response.headers.get("X-Request-Id"),
  );
}

export function uploadFile(
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
    // Headers are ASCII only, so the file name is percent-encoded.
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
      const body = { code: "unreachable", message: "The server cannot be reached.", retryable: true };
      reject(new ApiError(0, body, null));
    };
    request.onabort = () => reject(new DOMException("Aborted", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
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
  // The answer comes from a proxy, not from our server.
  return { code: "internal", message: `The server answered ${status}.`, retryable: status >= 500 };
}
