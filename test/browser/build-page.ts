// The page as `npm run build` makes it, in a directory of its own.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "vite";

export async function buildPage(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "trapscope-page-"));
  // The tests' own NODE_ENV would give React's development build: larger, slower, and not what people get.
  const own = process.env.NODE_ENV;
  process.env.NODE_ENV = "production";
  await build({ logLevel: "warn", build: { outDir: directory, emptyOutDir: true } });
  process.env.NODE_ENV = own;
  return directory;
}

export function removePage(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}
