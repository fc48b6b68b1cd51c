// Compares our back-ends with the processor this runs on, instruction by instruction, and captures golden vectors.
// Bundles the TypeScript of test/conformance/capture, which Node cannot run as it is. `--help` lists the options.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const folder = fileURLToPath(new URL("../test/conformance/capture/", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "capture-"));
try {
  const outfile = join(scratch, "main.mjs");
  await build({ entryPoints: [`${folder}main.ts`], outfile, bundle: true, platform: "node", format: "esm", target: "node20", logLevel: "warning" });
  const { main } = await import(pathToFileURL(outfile).href);
  process.exitCode = await main(`${folder}silicon.c`);
} finally {
  rmSync(scratch, { recursive: true });
}
