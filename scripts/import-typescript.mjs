// Imports a TypeScript module of the project into Node, which cannot run it as it is: bundled into a scratch file.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bundle } from "./bundle.mjs";

export const root = new URL("../", import.meta.url);

/** `path`: from the project's root. */
export async function importTypeScript(path) {
  const scratch = mkdtempSync(join(tmpdir(), "trapscope-"));
  try {
    const outfile = join(scratch, "module.mjs");
    await bundle(path, outfile, "node", false);
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
