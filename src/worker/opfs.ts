// The browser's own file system for this page (File System Standard, "origin private file system"), as the disks use it.

import type { RandomFile } from "../block/overlay-file.ts";
import { Autosave } from "./autosave.ts";
import type { AutosavePlace } from "./machine-files.ts";

export type FolderName = "images" | "overlays" | "autosave";

/** Throws where the browser refuses storage: a private window, a setting, an insecure page. */
export async function openFolder(name: FolderName): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(name, { create: true });
}

/** A file for reading and writing at any place; nobody else can open it meanwhile. */
export async function openRandomFile(folder: FileSystemDirectoryHandle, name: string): Promise<RandomFile> {
  const handle = await (await folder.getFileHandle(name, { create: true })).createSyncAccessHandle();
  return {
    size: () => handle.getSize(),
    read(at, into) {
      if (handle.read(into, { at }) < into.length) throw new Error(`${name} ends too early`);
    },
    write(at, from) {
      if (handle.write(from, { at }) < from.length) throw new Error("storage is full");
    },
    truncate: (size) => handle.truncate(size),
    flush: () => handle.flush(),
    close: () => handle.close(),
  };
}

export async function writeJson(folder: FileSystemDirectoryHandle, name: string, value: object): Promise<void> {
  const file = await openRandomFile(folder, name);
  try {
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    file.truncate(bytes.length);
    file.write(0, bytes);
    file.flush();
  } finally {
    file.close();
  }
}

/** null where it is not there, or is no JSON. */
export async function readJson(folder: FileSystemDirectoryHandle, name: string): Promise<Record<string, unknown> | null> {
  try {
    const value: unknown = JSON.parse(await (await (await folder.getFileHandle(name)).getFile()).text());
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

export async function remove(folder: FileSystemDirectoryHandle, name: string): Promise<void> {
  await folder.removeEntry(name).catch((error: unknown) => {
    if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
  });
}

/** Names of files, without those of which `suffix` is not the end. */
export async function names(folder: FileSystemDirectoryHandle, suffix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const name of folder.keys()) if (name.endsWith(suffix)) found.push(name);
  return found;
}

/** Beside them stands a description, `.json`. */
export function autosaveFiles(key: string): readonly string[] {
  return ["a", "b"].map((slot) => `${key}.${slot}.trapsnap`);
}

/** What the machine is made of, for whoever goes on with it. */
export async function describeAutosave({ key, name, made }: AutosavePlace): Promise<void> {
  await writeJson(await openFolder("autosave"), `${key}.json`, { name, made });
}

/** A page that was loaded anew may come before its former worker is gone. */
const TRIES = 4, BETWEEN_TRIES_MS = 250;

/** What is kept of a machine of these images. Null: storage is refused, or another tab has the same machine. */
export async function openAutosave(place: AutosavePlace): Promise<Autosave | null> {
  for (let left = TRIES; ; left--) {
    const files: RandomFile[] = [];
    try {
      const folder = await openFolder("autosave");
      for (const file of autosaveFiles(place.key)) files.push(await openRandomFile(folder, file));
      await describeAutosave(place);
      return new Autosave(files);
    } catch (error) {
      for (const file of files) file.close();
      if (!(error instanceof DOMException || error instanceof TypeError)) throw error;
      if (error.name !== "NoModificationAllowedError" || left === 1) return null;
    }
    await new Promise<void>((resolve) => setTimeout(resolve, BETWEEN_TRIES_MS));
  }
}
