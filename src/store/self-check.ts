// What the page needs from its browser and its server, looked at one by one: for those whose guest does not start, or is slow.

import { findIsolationProblem } from "./isolation.ts";

/** "missing": it does not run without. "without": it runs, and something is slower or absent. */
export type CheckState = "ok" | "without" | "missing";

export interface Check {
  readonly name: string;
  readonly state: CheckState;
  /** What was found. */
  readonly found: string;
  /** What that means and what can be done; "" where nothing need be. */
  readonly advice: string;
}

/** What is looked at; tests give their own. */
export interface CheckedBrowser {
  readonly isolation: Parameters<typeof findIsolationProblem>[0];
  /** Undefined: the script may not compile it, or there is none. */
  readonly webAssembly: { validate(bytes: Uint8Array<ArrayBuffer>): boolean; compile(bytes: Uint8Array<ArrayBuffer>): Promise<unknown>; allocate(pages: number): boolean } | undefined;
  /** Whether the machine's worker has answered. */
  readonly workerAnswered: () => Promise<boolean>;
  /** The browser's storage: what is used of it, or why there is none. */
  readonly storage: () => Promise<{ readonly usedBytes: number; readonly quotaBytes: number; readonly refused: string | null }>;
  readonly persisted: () => Promise<boolean>;
  readonly serviceWorker: "controls" | "available" | "none";
  readonly comforts: Readonly<Record<string, boolean>>;
}

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** A module of one function without parameters; `results` are value types. */
const module = (results: readonly number[], body: readonly number[], memory: readonly number[] = []): Uint8Array<ArrayBuffer> =>
  Uint8Array.from([...HEADER, 1, 4 + results.length, 1, 0x60, 0, results.length, ...results, 3, 2, 1, 0, ...memory, 10, body.length + 4, 1, body.length + 2, 0, ...body, 0x0b]);
const I32 = 0x7f, V128 = 0x7b;
/** WebAssembly Core Specification 2.0, "Binary Format", and the threads proposal: a program for each part that the generated code uses. */
const FEATURES: readonly (readonly [name: string, program: Uint8Array<ArrayBuffer>])[] = [
  ["shared memory (threads)", Uint8Array.from([...HEADER, 5, 4, 1, 3, 1, 1])],
  ["vectors (SIMD)", module([V128], [0xfd, 12, ...new Array<number>(16).fill(0)])],
  ["sign extension", module([I32], [0x41, 0, 0xc0])],
  ["several results", module([I32, I32], [0x41, 0, 0x41, 0])],
];
const PAGES_PER_MEGABYTE = 16;
const MEMORY_MEGABYTES = [1024, 512, 256, 128];
/** The machine's own tables beside the guest's memory. */
const OWN_MEGABYTES = 160;

const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20).toLocaleString("en-US")} MB`;

async function webAssembly(own: CheckedBrowser["webAssembly"]): Promise<Check[]> {
  if (!own) return [{ name: "WebAssembly", state: "missing", found: "There is none.", advice: "Every current browser has it; some switch it off in their strictest modes." }];
  try {
    await own.compile(Uint8Array.from(HEADER));
  } catch (error) {
    return [{ name: "WebAssembly", state: "missing", found: error instanceof Error ? error.message : String(error), advice: "A Content-Security-Policy of this page's server must allow script-src 'wasm-unsafe-eval'." }];
  }
  const lacking = FEATURES.filter(([, program]) => !own.validate(program)).map(([name]) => name);
  const room = MEMORY_MEGABYTES.find((size) => own.allocate((size + OWN_MEGABYTES) * PAGES_PER_MEGABYTE));
  return [
    lacking.length === 0
      ? { name: "WebAssembly", state: "ok", found: `With ${FEATURES.map(([name]) => name).join(", ")}.`, advice: "" }
      : { name: "WebAssembly", state: "missing", found: `Without ${lacking.join(", ")}.`, advice: "The machine's code is generated with it: a newer browser has it." },
    room === undefined
      ? { name: "Memory", state: "missing", found: "There is no room for a machine of 128 MB.", advice: "Close other tabs, or choose 32 MB in the settings." }
      : { name: "Memory", state: "ok", found: `Room for a guest of ${room} MB.`, advice: "" },
  ];
}

export async function checkBrowser(browser: CheckedBrowser): Promise<Check[]> {
  const checks: Check[] = [];
  const { isSecureContext } = browser.isolation;
  checks.push(isSecureContext ? { name: "Secure context", state: "ok", found: "HTTPS, or this computer itself.", advice: "" }
    : { name: "Secure context", state: "without", found: "Plain HTTP.", advice: "Disks are kept in memory only, and memory is not shared. Open the page over HTTPS or from localhost." });
  const problem = await findIsolationProblem(browser.isolation);
  checks.push(problem
    ? { name: "Shared memory", state: "without", found: problem.reason, advice: `Screen and traps are copied to the page, up to twenty times a second. ${problem.whatToDo} ${problem.headers.join(" · ")}`.trim() }
    : { name: "Shared memory", state: "ok", found: "The page is cross-origin isolated.", advice: "" });
  checks.push(...(await webAssembly(browser.webAssembly)));
  checks.push(await browser.workerAnswered() ? { name: "Worker", state: "ok", found: "The machine's worker has answered.", advice: "" }
    : { name: "Worker", state: "missing", found: "The machine's worker has not answered.", advice: "Its script must be served with the page's own headers (Cross-Origin-Embedder-Policy, Content-Type: text/javascript)." });
  const { usedBytes, quotaBytes, refused } = await browser.storage();
  checks.push(refused === null
    ? {
      name: "Storage", state: "ok", advice: "",
      found: `${megabytes(usedBytes)} used of ${megabytes(quotaBytes)}; ${await browser.persisted() ? "the browser keeps it." : "the browser may clear it when it runs out of room."}`,
    }
    : { name: "Storage", state: "without", found: refused, advice: "What guests write is kept until the tab closes. Private windows often have no storage." });
  checks.push({
    controls: { name: "Without a network", state: "ok", found: "The page and its guests are kept.", advice: "" } as const,
    available: { name: "Without a network", state: "without", found: "Not kept yet.", advice: "A built page keeps itself on its second visit." } as const,
    none: { name: "Without a network", state: "without", found: "This browser has no service worker here.", advice: "The page needs its server each time." } as const,
  }[browser.serviceWorker]);
  const absent = Object.entries(browser.comforts).filter(([, there]) => !there).map(([name]) => name);
  checks.push(absent.length === 0 ? { name: "Comforts", state: "ok", found: `${Object.keys(browser.comforts).join(", ")}.`, advice: "" }
    : { name: "Comforts", state: "without", found: `Not here: ${absent.join(", ")}.`, advice: "" });
  return checks;
}
