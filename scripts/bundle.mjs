// Bundles a program for Node, or the library, into one file. A bundle's constants stay constants: a bundler that makes them variables keeps
// V8 from compiling their values into the code that uses them, and whatever runs in TypeScript takes a quarter longer.
import { fileURLToPath } from "node:url";
import { build } from "rolldown";

const root = fileURLToPath(new URL("../", import.meta.url));

/** `platform`: "node" or "browser"; paths are the repository's. */
export function bundle(input, file, platform, sourcemap = true) {
  return build({
    cwd: root, input, platform, logLevel: "warn", transform: { target: platform === "node" ? "node20" : "es2022" },
    optimization: { inlineConst: { mode: "all", pass: 3 } }, output: { file, format: "esm", sourcemap, codeSplitting: false, topLevelVar: false },
  });
}
