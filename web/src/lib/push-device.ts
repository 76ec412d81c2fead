/**
 * This browser as a device that gets pushes: it is subscribed when the person asks for it, posts its subscription anew at
 * each start, and withdraws notifications of what was read elsewhere. Showing a push is the service worker's work.
 */
import { ApiError } from "./http";

interface PushApi {
  pushKey(): Promise<{ publicKey: string }>;
  subscribeToPush(subscription: PushSubscriptionJSON & { device: string }): Promise<{ id: string }>;
  unsubscribeFromPush(id: string): Promise<unknown>;
}

/** `absent`: this browser or this server has no pushes. `denied`: the person has to allow them in the browser first. */
export type PushState = "unknown" | "absent" | "denied" | "off" | "changing" | "on";

export class PushDevice {
  private state: PushState = "unknown";
  private id: string | null = null;
  private registration: ServiceWorkerRegistration | null = null;
  private started: Promise<void> | null = null;
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly api: PushApi,
    private readonly workers = globalThis.navigator?.serviceWorker as ServiceWorkerContainer | undefined,
  ) {}

  getState = (): PushState => this.state;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Finds out whether this device is subscribed, and posts its subscription anew, once. */
  start(): Promise<void> {
    this.started ??= this.findOut();
    return this.started;
  }

  private async findOut(): Promise<void> {
    if (!this.workers || !("PushManager" in globalThis) || !("Notification" in globalThis))
      return this.set("absent");
    this.registration = (await this.workers.getRegistration()) ?? null;
    const subscription = await this.registration?.pushManager.getSubscription();
    if (!this.registration) return this.set("absent");
    if (!subscription) return this.set(Notification.permission === "denied" ? "denied" : "off");
    this.set("on");
    await this.post(subscription).catch(() => {}); // At the next start.
  }

  /** Asks the person for permission. Call it when they have turned it on, as browsers require. */
  async turnOn(): Promise<void> {
    if (!this.registration || this.state === "on") return;
    this.set("changing");
    try {
      if ((await Notification.requestPermission()) !== "granted") return this.set("denied");
      const { publicKey } = await this.api.pushKey();
      const options = { userVisibleOnly: true, applicationServerKey: publicKey };
      const { pushManager } = this.registration;
      // A subscription with another key is over: the deployment has a new one.
      await (await pushManager.getSubscription())?.unsubscribe();
      await this.post(await pushManager.subscribe(options));
      this.set("on");
    } catch (error) {
      const isAbsent = error instanceof ApiError && error.status === 503;
      this.set(isAbsent ? "absent" : "off");
      if (!isAbsent) throw error;
    }
  }

  /** No push comes to this device any more: the person turned it off, or signs out. */
  async turnOff(): Promise<void> {
    await this.start();
    const subscription = await this.registration?.pushManager.getSubscription();
    if (!subscription) return;
    this.set("changing");
    await Promise.allSettled([this.id && this.api.unsubscribeFromPush(this.id), subscription.unsubscribe()]);
    this.id = null;
    this.set("off");
  }

  /** Closes the notifications of what was read: of each room up to this seq. */
  async withdraw(read: Map<string, number>): Promise<void> {
    if (read.size === 0) return;
    await this.start();
    const shown = (await this.registration?.getNotifications()) ?? [];
    for (const one of shown) if (one.data?.seq <= (read.get(one.data?.roomId) ?? -1)) one.close();
  }

  /** Shows a notification of a page that is not in sight. The device's own pushes come instead where it has them. */
  async show(
    title: string,
    body: string,
    data: { roomId: string; seq: number; navigate: string },
  ): Promise<void> {
    if (this.state !== "off" || Notification.permission !== "granted") return;
    await this.registration?.showNotification(title, { body, tag: data.roomId, icon: "/icon.svg", data });
  }

  private async post(subscription: PushSubscription): Promise<void> {
    const { id } = await this.api.subscribeToPush({ ...subscription.toJSON(), device: deviceName() });
    this.id = id;
  }

  private set(state: PushState): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}

/** What the person recognizes their device by. */
function deviceName(): string {
  const { userAgent } = navigator;
  const browser =
    ["Edg", "Firefox", "Chrome", "Safari"].find((name) => userAgent.includes(name)) ?? "Browser";
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"].find((name) =>
    userAgent.includes(name),
  );
  return `${browser === "Edg" ? "Edge" : browser}${system ? `, ${system}` : ""}`;
}
