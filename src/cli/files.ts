// Files that a person names: read lazily through a descriptor, never as a whole; and the bundled guests.

import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ImageError } from "../base/errors.ts";
import type { ByteSource, NamedSource } from "../machine/boot/boot-request.ts";

interface GuestCard {
  readonly id: string;
  readonly file: string;
  readonly title: string;
}

/** The folder of the package: that of package.json, above dist/ as well as above src/cli/. */
function packageRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    try {
      const { name } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { name?: string };
      if (name === "trapscope") return folder;
    } catch {
      // No package.json here: one folder up.
    }
    if (folder === dirname(folder)) throw new Error("the files of trapscope are incomplete: package.json is missing");
  }
}

export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as { version: string }).version;
}

export function bundledGuests(): readonly GuestCard[] {
  try {
    return (JSON.parse(readFileSync(join(packageRoot(), "public/guests/index.json"), "utf8")) as { guests: GuestCard[] }).guests;
  } catch {
    return [];
  }
}

/** Throws an ImageError that says why the file cannot be read. */
export function openFile(path: string): NamedSource {
  if (path === "") throw new ImageError("A file name is empty: give the file.");
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    throw new ImageError(cannotRead(path, error));
  }
  const status = fstatSync(descriptor);
  if (!status.isFile()) {
    closeSync(descriptor);
    throw new ImageError(status.isDirectory() ? `${path} is a directory: give a file.` : `${path} is not a plain file: copy it into one.`);
  }
  const read = (offset: number, into: Uint8Array): void => {
    for (let done = 0; done < into.length; ) {
      const got = readSync(descriptor, into, done, into.length - done, offset + done);
      if (got === 0) throw new ImageError(`${path} has become shorter while it was read: leave it alone and start again.`);
      done += got;
    }
  };
  return { name: path, source: { size: status.size, read } };
}

/** A file, or the bundled guest of that name. */
export function openImage(name: string): NamedSource {
  const guests = bundledGuests();
  try {
    return openFile(name);
  } catch (error) {
    const guest = guests.find((card) => card.id === name);
    if (guest && error instanceof ImageError) return { ...openFile(join(packageRoot(), "public/guests", guest.file)), name };
    if (basename(name) === name && !name.includes(".") && error instanceof ImageError && error.message.includes("no such file")) {
      throw new ImageError(`${name} is neither a file nor a bundled guest. Bundled: ${guests.map((card) => card.id).join(", ")}.`);
    }
    throw error;
  }
}

export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ImageError(cannotRead(path, error));
  }
}

function cannotRead(path: string, error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT": case "ENOTDIR":
      return `${path}: there is no such file. Check the name.`;
    case "EISDIR":
      return `${path} is a directory: give a file.`;
    case "EACCES": case "EPERM":
      return `${path} may not be read: check its permissions.`;
    default:
      return `${path} cannot be read (${(error as Error).message}).`;
  }
}

const HASH_CHUNK = 1 << 20;

export function sha256(source: ByteSource): string {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(Math.min(HASH_CHUNK, source.size));
  for (let offset = 0; offset < source.size; offset += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, source.size - offset));
    source.read(offset, part);
    hash.update(part);
  }
  return `sha256:${hash.digest("hex")}`;
}
