// The machine as it was when its tab was left, in the browser's storage: one snapshot for each set of images, the last one counts.

import { type FolderName, openFolder, openRandomFile, readJson, remove, writeJson } from "./opfs.ts";

const FOLDER: FolderName = "autosave";

/** What is there for these images, or null. Storage that is refused holds nothing. */
export async function findAutosave(key: string): Promise<{ readonly savedMs: number; readonly bytes: number } | null> {
  try {
    const about = await readJson(await openFolder(FOLDER), `${key}.json`);
    return about ? { savedMs: Number(about.savedMs), bytes: Number(about.bytes) } : null;
  } catch {
    return null;
  }
}

/** The description goes first and comes last: a file that was not finished has none. */
export async function writeAutosave(key: string, bytes: Uint8Array, savedMs: number): Promise<void> {
  const folder = await openFolder(FOLDER);
  await remove(folder, `${key}.json`);
  const file = await openRandomFile(folder, `${key}.trapsnap`);
  try {
    file.truncate(bytes.length);
    file.write(0, bytes);
    file.flush();
  } finally {
    file.close();
  }
  await writeJson(folder, `${key}.json`, { savedMs, bytes: bytes.length });
}

export async function readAutosave(key: string): Promise<Uint8Array | null> {
  const folder = await openFolder(FOLDER);
  if (!(await readJson(folder, `${key}.json`))) return null;
  const file = await (await folder.getFileHandle(`${key}.trapsnap`)).getFile();
  return new Uint8Array(await file.arrayBuffer());
}
