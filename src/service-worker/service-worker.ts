// The page's service worker: keeps the page usable without a network, and adds the isolation headers where the host cannot.
//
// The build writes the list of its files and its headers in front of this script (scripts/service-worker-plugin.ts). A new version installs beside the
// old one and takes over when the last tab of the old one is closed: a running machine is never reloaded.

export {};
declare const self: ServiceWorkerGlobalScope;
/** Files of this build, relative to the worker. */
declare const TRAPSCOPE_FILES: readonly string[];
/** Changes with every file. */
declare const TRAPSCOPE_VERSION: string;
/** What `public/_headers` asks hosts to send. */
declare const TRAPSCOPE_HEADERS: Readonly<Record<string, string>>;

const PREFIX = "trapscope-";
const CACHE = PREFIX + TRAPSCOPE_VERSION;

self.addEventListener("install", (event) => event.waitUntil(keepFiles()));
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  // Parts of a disk image are the business of the host alone: a cache cannot hold them.
  if (request.method !== "GET" || url.origin !== self.location.origin || !url.href.startsWith(self.registration.scope) || request.headers.has("Range")) return;
  event.respondWith(answer(request, url));
});

async function keepFiles(): Promise<void> {
  const cache = await caches.open(CACHE);
  // "reload": what the browser's own cache holds may be of another build.
  await cache.addAll(TRAPSCOPE_FILES.map((file) => new Request(new URL(file, self.registration.scope), { cache: "reload" })));
}

async function takeOver(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function answer(request: Request, url: URL): Promise<Response> {
  const cache = await caches.open(CACHE);
  // The query of a page's address is for the page, not for the host.
  const page = request.mode === "navigate" && url.href.split(/[?#]/)[0] === self.registration.scope ? new URL("index.html", self.registration.scope) : null;
  const kept = await cache.match(page ?? request, { ignoreSearch: page === null && request.mode === "navigate" });
  return isolated(kept ?? (await fetch(request)));
}

function isolated(response: Response): Response {
  // An opaque response has no headers to add to.
  if (response.status === 0 || response.type === "opaqueredirect") return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(TRAPSCOPE_HEADERS)) headers.set(name, value);
  return new Response(response.status === 204 || response.status === 304 ? null : response.body, { status: response.status, statusText: response.statusText, headers });
}
