// Bundles the command line and the library for Node (which runs no TypeScript) into dist/. Run by `npm ci` through `prepare`.
import { existsSync } from "node:fs";
import { build } from "esbuild";

const entries = { cli: "src/cli/main.ts", index: "src/index.ts" };
const present = Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(file)));
await build({
  entryPoints: present,
  outdir: "dist",
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: true,
  logLevel: "warning",
});
