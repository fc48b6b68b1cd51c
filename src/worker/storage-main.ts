// The storage worker: what takes long and needs no machine. Unpacks, downloads, lists and deletes; one request may be canceled
// while it runs, and each says how far it is.

import { ImageError } from "../base/errors.ts";
import { likelyImages, openPacked } from "../block/packed.ts";
import { mediumSource } from "./blob-source.ts";
import { deleteImage, type ImageSink, listImages, openImageFile, openSink, removeUnfinished } from "./image-files.ts";
import { autosaveFiles, names, openFolder, readJson, remove } from "./opfs.ts";
import type { RecordedMake } from "../protocol/recorded.ts";
import type { StorageEvent, StorageList, StorageRequest, StoredMachine, StoredOverlay } from "../protocol/storage.ts";

const PROGRESS_MS = 100;
const canceled = new Set<number>();
/** What waits for a server is told at once. */
const stops = new Map<number, AbortController>();

function post(event: StorageEvent): void {
  self.postMessage(event);
}

class Canceled extends Error {}

/** Lets messages in, says how far it is, and ends what was canceled. What came last is said even if nothing follows. */
function watcher(id: number): (done: number, all: number, written: number) => Promise<void> {
  let shown = 0, later: ReturnType<typeof setTimeout> | undefined;
  return async (done, all, written) => {
    clearTimeout(later);
    const say = (): void => post({ type: "progress", id, done, all, written });
    const early = PROGRESS_MS - (performance.now() - shown);
    if (early > 0) {
      later = setTimeout(say, early);
      return;
    }
    say();
    await new Promise<void>((resolve) => setTimeout(resolve));
    shown = performance.now();
    if (canceled.has(id)) throw new Canceled();
  };
}

async function perform(request: StorageRequest): Promise<void> {
  const { id } = request;
  switch (request.type) {
    case "inspect": {
      const packed = openPacked(mediumSource(request.medium), request.medium.name);
      const files = packed?.files ?? [];
      const likely = packed ? likelyImages(packed).map((file) => files.indexOf(file)) : [];
      return post({ type: "entries", id, format: packed?.format ?? "", likely, entries: files.map(({ name, size }, index) => ({ index, name, size })) });
    }
    case "unpack": return unpack(request);
    case "download": return download(request);
    case "open": return post({ type: "file", id, medium: await openImageFile(request.image), notice: null });
    case "list": return post({ type: "list", id, list: await list() });
    case "delete":
      if (request.what === "image") await deleteImage(request.name);
      else if (request.what === "overlay") await deleteOverlay(request.name);
      else await deleteAutosave(request.name);
      return post({ type: "list", id, list: await list() });
    case "cancel":
      canceled.add(id);
      stops.get(id)?.abort();
  }
}

async function unpack({ id, medium, index }: Extract<StorageRequest, { type: "unpack" }>): Promise<void> {
  const packed = openPacked(mediumSource(medium), medium.name);
  const file = packed?.files[index];
  if (!packed || !file) throw new ImageError(`${medium.name} has changed since it was looked at. Drop it again.`);
  const name = file.name.replace(/^.*[/\\]/, "");
  if (file.storedAt && medium.data instanceof Blob) {
    const start = file.storedAt();
    return post({ type: "file", id, medium: { name, data: medium.data.slice(start, start + (file.size ?? 0)) }, notice: null });
  }
  await fill(id, await openSink(name, `unpacked from ${medium.name}`, Date.now()), async (sink, watch) => {
    const unpacker = file.unpack();
    for (let bytes = unpacker.next(); bytes; bytes = unpacker.next()) {
      sink.write(bytes);
      await watch(unpacker.bytesRead, file.packedBytes, sink.written);
    }
  });
}

async function download({ id, url, name }: Extract<StorageRequest, { type: "download" }>): Promise<void> {
  const stop = new AbortController();
  stops.set(id, stop);
  const broken = (what: string) => (error: unknown): never => {
    if (canceled.has(id)) throw new Canceled();
    throw error instanceof ImageError ? error : new ImageError(what);
  };
  try {
    const response = await fetch(url, { signal: stop.signal }).catch(
      broken("The server does not answer, or does not allow other pages to read the file (CORS). Download it yourself and drop the file on this page."),
    );
    if (!response.ok || !response.body) throw new ImageError(`The server answered with HTTP ${response.status}. Check the address.`);
    const all = Number(response.headers.get("Content-Length") ?? 0);
    const reader = response.body.getReader();
    await fill(id, await openSink(name, `downloaded from ${url}`, Date.now()), async (sink, watch) => {
      const next = (): Promise<ReadableStreamReadResult<Uint8Array>> => reader.read().catch(broken("The download broke off. Check the connection and try again."));
      for (let part = await next(); !part.done; part = await next()) {
        sink.write(part.value);
        await watch(sink.written, all, sink.written);
      }
    });
  } finally {
    stops.delete(id);
    stop.abort();
  }
}

/** Fills the sink, or leaves nothing of it behind. */
async function fill(id: number, sink: ImageSink, work: (sink: ImageSink, watch: ReturnType<typeof watcher>) => Promise<void>): Promise<void> {
  try {
    await work(sink, watcher(id));
  } catch (error) {
    await sink.abandon();
    throw error;
  }
  post({ type: "file", id, ...(await sink.finish()) });
}

async function list(): Promise<StorageList> {
  try {
    const { usage = 0, quota = 0 } = await navigator.storage.estimate();
    return { images: await listImages(), overlays: await listOverlays(), machines: await listAutosaves(), usedBytes: usage, quotaBytes: quota, refused: null };
  } catch {
    return { images: [], overlays: [], machines: [], usedBytes: 0, quotaBytes: 0, refused: "This browser refuses storage here (a private window, or a setting): nothing outlives the tab." };
  }
}

async function listOverlays(): Promise<StoredOverlay[]> {
  const folder = await openFolder("overlays");
  const overlays: StoredOverlay[] = [];
  for (const file of await names(folder, ".overlay")) {
    const id = file.slice(0, -".overlay".length);
    const about = (await readJson(folder, `${id}.json`)) ?? {};
    const handle = await folder.getFileHandle(file);
    overlays.push({
      id, name: String(about.name ?? "unknown"), imageBytes: Number(about.imageBytes ?? 0), bytes: (await handle.getFile()).size,
      lastUsedMs: Number(about.lastUsedMs ?? 0), inUse: await isOpen(handle),
    });
  }
  return overlays;
}

/** The lock of a file that a machine has open cannot be had. */
async function isOpen(handle: FileSystemFileHandle): Promise<boolean> {
  try {
    (await handle.createSyncAccessHandle()).close();
    return false;
  } catch {
    return true;
  }
}

async function deleteOverlay(id: string): Promise<void> {
  const folder = await openFolder("overlays");
  if (await isOpen(await folder.getFileHandle(`${id}.overlay`))) throw new ImageError("A machine is using these changes. End it, or discard them in its Drives menu.");
  await remove(folder, `${id}.overlay`);
  await remove(folder, `${id}.json`);
}

async function listAutosaves(): Promise<StoredMachine[]> {
  const folder = await openFolder("autosave");
  const machines: StoredMachine[] = [];
  for (const file of await names(folder, ".json")) {
    const id = file.slice(0, -".json".length);
    const about = (await readJson(folder, file)) ?? {}, files = await Promise.all(autosaveFiles(id).map((name) => folder.getFileHandle(name, { create: true })));
    const found = await Promise.all(files.map((handle) => handle.getFile())), bytes = found.reduce((sum, { size }) => sum + size, 0);
    if (bytes > 0) machines.push({ id, name: String(about.name ?? "unknown"), made: madeOf(about.made), bytes, lastUsedMs: Math.max(...found.map(({ lastModified }) => lastModified)), inUse: await isOpen(files[0]!) });
  }
  return machines;
}

function madeOf(made: unknown): StoredMachine["made"] {
  const { setup, files } = (made ?? {}) as Partial<RecordedMake>;
  return setup && Array.isArray(files) ? { setup, files } : null;
}

async function deleteAutosave(id: string): Promise<void> {
  const folder = await openFolder("autosave"), files = autosaveFiles(id);
  if (await isOpen(await folder.getFileHandle(files[0]!))) throw new ImageError("This machine is running, here or in another tab. End it first.");
  for (const name of [...files, `${id}.json`]) await remove(folder, name);
}

self.onmessage = (message: MessageEvent<StorageRequest>) => {
  const request = message.data;
  perform(request).catch((error: unknown) => {
    const isCanceled = error instanceof Canceled;
    const reason = isCanceled ? "It was canceled." : error instanceof Error ? error.message.replaceAll("FILE", "medium" in request ? request.medium.name : "FILE") : String(error);
    post({ type: "failed", id: request.id, reason, canceled: isCanceled });
    canceled.delete(request.id);
  });
};
removeUnfinished().catch(() => {});
