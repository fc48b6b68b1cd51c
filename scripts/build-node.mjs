// Bundles the command line and the library for Node (which runs no TypeScript) into dist/, or the folder that is named.
// Run by `npm ci` through `prepare`.
import { join, resolve } from "node:path";
import { bundle } from "./bundle.mjs";

const folder = resolve(process.argv[2] ?? "dist");
await bundle("src/cli/main.ts", join(folder, "cli.js"), "node");
// The library runs in browsers, too.
await bundle("src/index.ts", join(folder, "index.js"), "browser");
await bundle("src/library/worker-main.ts", join(folder, "machine-worker.js"), "browser");
