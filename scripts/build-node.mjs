// Bundles the command line and the library for Node (which runs no TypeScript) into dist/, or the folder that is named.
// Run by `npm ci` through `prepare`.
import { build } from "esbuild";

await build({
  entryPoints: { cli: "src/cli/main.ts", index: "src/index.ts" },
  outdir: process.argv[2] ?? "dist",
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: true,
  logLevel: "warning",
});
