// From nothing to the end of a small guest, and what the page takes to load.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { inTurn, median, print, root, round, run, scratch, table } from "./harness.mjs";

export async function start() {
  const timed = async (...args) => {
    const from = performance.now();
    await run(process.execPath, args, { cwd: root });
    return (performance.now() - from) / 1000;
  };
  const trapscope = join(root, "bin/trapscope");
  const results = await inTurn({
    "node alone": () => timed("-e", "0"),
    "trapscope --version": () => timed(trapscope, "--version"),
    "trapscope run popf, to its end": () => timed(trapscope, "run", "popf", "--serial", "none"),
  });
  const report = Object.fromEntries(Object.entries(results).map(([name, runs]) => [name, round(median(runs), 3)]));
  print("Start, seconds of a whole process");
  table(["command", "seconds"], Object.entries(report));
  return report;
}

/** Kilobytes of the built page, packed as a host sends them: what index.html names itself, and everything that may follow. */
export async function size() {
  await run(process.execPath, [join(root, "node_modules/vite/bin/vite.js"), "build", "--outDir", join(scratch, "page"), "--logLevel", "error"], { cwd: root });
  const page = join(scratch, "page");
  const packed = (file) => gzipSync(readFileSync(join(page, file))).length / 1000;
  const files = readdirSync(page, { recursive: true }).filter((name) => /\.(html|js|css)$/.test(name));
  const index = readFileSync(join(page, "index.html"), "utf8");
  const first = files.filter((name) => name === "index.html" || index.includes(name));
  const kilobytes = (names) => round(names.reduce((sum, name) => sum + packed(name), 0), 0);
  const report = { "index.html and what it names": kilobytes(first), "all code of the page, workers included": kilobytes(files) };
  print("Size of the page, KB packed by gzip");
  table(["what", "KB"], Object.entries(report));
  return report;
}
