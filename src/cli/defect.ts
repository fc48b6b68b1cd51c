// A fault of ours leaves a report in a file: what was called, where it went wrong. No byte of a disk or of memory.

import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageVersion } from "./files.ts";

/** The name of the file. */
export function writeDefectReport(error: unknown, argv: readonly string[]): string {
  const name = `trapscope-defect-${new Date().toISOString().replace(/[:.]/g, "-")}.txt`;
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const text = `trapscope ${packageVersion()} on Node ${process.version}, ${process.platform} ${process.arch}\ntrapscope ${argv.join(" ")}\n\n${trace}\n`;
  for (const folder of [process.cwd(), tmpdir()]) {
    try {
      const file = join(folder, name);
      writeFileSync(file, text);
      return file;
    } catch {
      // Not writable: the next folder.
    }
  }
  return "the message above";
}
