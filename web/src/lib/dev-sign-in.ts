/** The dev sign-in: a development build of the Worker issues a token for any user id. No other deployment has it. */
import { ApiError, sendRequest } from "./http";

export interface DevIdentity {
  sub: string;
  tenant?: string;
  name?: string;
}

/** A token from a development server's `/dev/token`; `null` if the route does not exist (404). */
export async function devToken(identity: DevIdentity, base = "/api/chat"): Promise<string | null> {
  try {
    return (
      await sendRequest<{ token: string }>(fetch, "POST", `${base}/dev/token`, null, { body: identity })
    ).token;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** Whether this deployment has `/dev/token`. The empty identity is always refused, so the request creates nothing. */
export async function hasDevSignIn(): Promise<boolean> {
  try {
    return (await devToken({ sub: "" })) !== null;
  } catch (error) {
    if (error instanceof ApiError && error.status > 0 && error.status < 500) return true;
    throw error;
  }
}
