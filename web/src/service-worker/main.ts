/**
 * The service worker: it keeps the page's own files so that the page starts without a network, and shows pushes. Requests
 * to the API and to other origins pass it by. It never decides what a person sees: an online start gets the newest page.
 */
declare const self: ServiceWorkerGlobalScope;

/** The build's files, set by the build (vite.config.ts). They have a hash in their names, except the page itself. */
declare const SHELL: string[];
/** Changes with the files. */
declare const VERSION: string;

const CACHE = `chinwag-shell-${VERSION}`;
const PAGE = "/";
/** After this the page is started from the cache, although the network may still answer. */
const PAGE_WAIT_MS = 3_000;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) =>
        cache.addAll([PAGE, ...SHELL].map((path) => new Request(path, { cache: "no-cache" }))),
      ),
  );
});

// The caches of older versions are deleted when no tab uses them any more.
self.addEventListener("activate", (event) => {
  const removeOld = async () => {
    const names = await caches.keys();
    const old = names.filter((name) => name.startsWith("chinwag-shell-") && name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
    // The first tab is kept as well, not only those that open later.
    await self.clients.claim();
  };
  event.waitUntil(removeOld());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate" && url.pathname === PAGE) event.respondWith(startPage(request));
  else if (SHELL.includes(url.pathname)) event.respondWith(fromCache(request));
});

async function fromCache(request: Request): Promise<Response> {
  return (await caches.match(request)) ?? fetch(request);
}

/** The page from the network, or from the cache when the network does not answer. */
async function startPage(request: Request): Promise<Response> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PAGE_WAIT_MS);
  try {
    return await fetch(request, { signal: stop.signal });
  } catch {
    return (await caches.match(PAGE, { cacheName: CACHE })) ?? Response.error();
  } finally {
    clearTimeout(timer);
  }
}

/** What the server sends (docs/PROTOCOL.md, "Push"). */
interface Pushed {
  notification: {
    title: string;
    body: string;
    navigate: string;
    tag: string;
    data: { roomId: string; messageId: string; seq: number };
    app_badge?: number;
  };
}

self.addEventListener("push", (event) => {
  event.waitUntil(show(event.data?.json() as Pushed));
});

async function show({ notification }: Pushed): Promise<void> {
  const { title, body, tag, navigate, data, app_badge } = notification;
  const windows = await self.clients.matchAll({ type: "window" });
  // Who looks at the page sees it there. In all other cases browsers demand that something is shown.
  if (windows.some((one) => one.focused)) return;
  const options = { body, tag, icon: "/icon.svg", renotify: true, data: { ...data, navigate } };
  await self.registration.showNotification(title, options as NotificationOptions);
  if (app_badge !== undefined) await self.navigator.setAppBadge?.(app_badge).catch(() => {});
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(String(event.notification.data?.navigate ?? PAGE)));
});

/** Opens the place in a window that is there, or in a new one. */
async function open(place: string): Promise<void> {
  const url = new URL(place, self.location.origin);
  if (url.origin !== self.location.origin) return;
  const [window] = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  if (!window) return void (await self.clients.openWindow(url.href));
  window.postMessage({ type: "open", hash: url.hash });
  await window.focus();
}

export {};
