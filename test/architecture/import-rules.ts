// Who may import whom: the table of ARCHITECTURE.md, as data.

/** Folders of src/ in the order of the layers; each may import itself and what is named. `index` is src/index.ts, the library's front door. */
export const IMPORT_RULES: Readonly<Record<string, readonly string[]>> = {
  base: [],
  protocol: ["base", "isa"],
  isa: ["base"],
  wasm: ["base", "isa"],
  cpu: ["base", "isa", "wasm"],
  jit: ["base", "isa", "wasm", "cpu"],
  hardware: ["base"],
  firmware: ["base", "hardware"],
  block: ["base", "hardware"],
  trace: ["base", "protocol", "isa"],
  labs: ["base", "protocol"],
  monitor: ["base", "protocol", "isa", "cpu", "hardware"],
  machine: ["base", "protocol", "isa", "wasm", "cpu", "jit", "hardware", "firmware", "block", "monitor"],
  worker: ["base", "protocol", "hardware", "block", "trace", "machine"],
  client: ["base", "protocol"],
  "service-worker": [],
  store: ["base", "protocol", "isa", "trace", "labs", "client"],
  ui: ["base", "protocol", "isa", "trace", "labs", "store"],
  cli: ["base", "protocol", "isa", "hardware", "block", "trace", "labs", "machine"],
  library: ["base", "protocol", "trace", "machine"],
  index: ["base", "protocol", "trace", "machine", "library"],
};

/** npm packages a folder may import. Everything below `client` is our own, but for decompression in `block`. */
export const PACKAGES: Readonly<Record<string, RegExp>> = {
  block: /^(fflate|xz-decompress)$/,
  ui: /^(react|react-dom|react\/.*|react-dom\/.*|@xterm\/.*)$/,
  store: /^react$/,
};

/** Node's own modules: only the command line. */
export const NODE_FOLDERS: readonly string[] = ["cli"];
/** Folders in which time and chance are given from above. */
export const DETERMINISTIC: readonly string[] = [
  "base", "protocol", "isa", "wasm", "cpu", "jit", "hardware", "firmware", "block", "trace", "labs", "monitor", "machine",
];
