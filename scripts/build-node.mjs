// Bundles the command line and the library for Node (which runs no TypeScript) into dist/, or the folder that is named.
// Run by `npm ci` through `prepare`.
import { build } from "esbuild";

const common = { outdir: process.argv[2] ?? "dist", bundle: true, format: "esm", sourcemap: true, logLevel: "warning" };
await build({ ...common, entryPoints: { cli: "src/cli/main.ts" }, platform: "node", target: "node20" });
// The library runs in browsers, too.
await build({ ...common, entryPoints: { index: "src/index.ts", "machine-worker": "src/library/worker-main.ts" }, platform: "browser", target: "es2022" });
