// The storage worker: what takes long and needs no machine. Unpacks, downloads, lists and deletes; one request may be canceled
// while it runs, and each says how far it is.

import { ImageError } from "../base/errors.ts";
import { likelyImages, openPacked } from "../block/packed.ts";
import { mediumSource } from "./blob-source.ts";
import { deleteImage, type ImageSink, listImages, openImageFile, openSink, removeUnfinished } from "./image-files.ts";
import { names, openFolder, readJson, remove } from "./opfs.ts";
import type { StorageEvent, StorageList, StorageRequest, StoredOverlay } from "../protocol/storage.ts";

const PROGRESS_MS = 100;
const canceled = new Set<number>();

function post(event: StorageEvent): void {
  self.postMessage(event);
}

class Canceled extends Error {}

/** Lets messages in, says how far it is, and ends what was canceled. */
function watcher(id: number): (done: number, all: number, written: number) => Promise<void> {
  let shown = 0;
  return async (done, all, written) => {
    if (performance.now() - shown < PROGRESS_MS) return;
    post({ type: "progress", id, done, all, written });
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
      else await deleteOverlay(request.name);
      return post({ type: "list", id, list: await list() });
    case "cancel":
      canceled.add(id);
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
  const response = await fetch(url, { signal: stop.signal }).catch(() => {
    throw new ImageError("The server does not answer, or does not allow other pages to read the file (CORS). Download it yourself and drop the file on this page.");
  });
  if (!response.ok || !response.body) throw new ImageError(`The server answered with HTTP ${response.status}. Check the address.`);
  const all = Number(response.headers.get("Content-Length") ?? 0);
  const reader = response.body.getReader();
  await fill(id, await openSink(name, `downloaded from ${url}`, Date.now()), async (sink, watch) => {
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        sink.write(part.value);
        await watch(sink.written, all, sink.written);
      }
    } catch (error) {
      stop.abort();
      if (error instanceof ImageError || error instanceof Canceled) throw error;
      throw new ImageError("The download broke off. Check the connection and try again.");
    }
  });
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
    return { images: await listImages(), overlays: await listOverlays(), usedBytes: usage, quotaBytes: quota, refused: null };
  } catch {
    return { images: [], overlays: [], usedBytes: 0, quotaBytes: 0, refused: "This browser refuses storage here (a private window, or a setting): nothing outlives the tab." };
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
