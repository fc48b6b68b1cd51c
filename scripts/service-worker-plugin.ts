// Vite plugin: builds the service worker with the list of the files of the same build, and a version that changes with any of them.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";
import type { Plugin } from "vite";

const SOURCE = fileURLToPath(new URL("../src/service-worker/service-worker.ts", import.meta.url));
/** Read by hosts, not by pages. */
const HEADERS = "_headers";

/** What a host that reads the file sends with everything. */
function headersIn(text: string): Record<string, string> {
  return Object.fromEntries(Array.from(text.matchAll(/^ +([^:\s]+): *(.*)$/gm), ([, name, value]) => [name, value]));
}

export function serviceWorker(): Plugin {
  let publicFolder = "";
  return {
    name: "service-worker",
    apply: "build",
    // The script is the last to be written, because it names all others.
    enforce: "post",
    configResolved(config) {
      publicFolder = config.publicDir;
    },
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        const hash = createHash("sha256");
        const files: string[] = [];
        const add = (name: string, content: string | Uint8Array): void => {
          if (name === HEADERS || name.endsWith(".map")) return;
          files.push(name);
          hash.update(name).update(content);
        };
        for (const [name, item] of Object.entries(bundle)) add(name, item.type === "chunk" ? item.code : item.source);
        for (const entry of readdirSync(publicFolder, { recursive: true, withFileTypes: true })) {
          const path = join(entry.parentPath, entry.name);
          if (entry.isFile()) add(relative(publicFolder, path).split(sep).join("/"), readFileSync(path));
        }
        const { code } = transformSync(readFileSync(SOURCE, "utf8"), { loader: "ts", format: "iife", target: "es2022", minify: true });
        const headers = headersIn(readFileSync(join(publicFolder, HEADERS), "utf8"));
        hash.update(JSON.stringify(headers));
        const known = { FILES: files.sort(), VERSION: hash.digest("hex").slice(0, 16), HEADERS: headers };
        const prelude = `const ${Object.entries(known).map(([name, value]) => `TRAPSCOPE_${name}=${JSON.stringify(value)}`).join(",")};\n`;
        this.emitFile({ type: "asset", fileName: "service-worker.js", source: prelude + code });
      },
    },
  };
}
