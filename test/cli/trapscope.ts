// Runs the command line as a person would, built anew from the sources.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Trapscope {
  /** A folder of its own, gone after `close`. */
  readonly folder: string;
  /** Writes a file into the folder: its path. */
  file(name: string, content: Uint8Array | string): string;
  /** Starts a run; its output is piped. */
  start(args: readonly string[]): ChildProcess;
  /** `input` is piped in; without it stdin is empty. */
  run(args: readonly string[], input?: string): Promise<Finished>;
  /** A run with --json: the one line. */
  json(args: readonly string[], input?: string): Promise<RunJson>;
  close(): void;
}

/** The fields of --json that tests look at. */
export interface LeakJson {
  readonly instruction: string;
  readonly observed: number;
  readonly expected: number;
  readonly consequence: string;
}

export interface RunJson {
  readonly outcome: string;
  readonly reason: string;
  readonly exitCode: number;
  readonly instructions: number;
  readonly guestSeconds: number;
  readonly traps: { readonly total: number; readonly byInstruction: Record<string, number>; readonly byReason: Record<string, number> };
  readonly leaks: { readonly total: number; readonly byInstruction: Record<string, number>; readonly first: LeakJson | null; readonly decisive: LeakJson | null };
  readonly observed: { readonly total: number; readonly byInstruction: Record<string, number> };
  readonly statistics: Readonly<Record<string, number>>;
  readonly exitValue: number | null;
  readonly peakRssBytes: number;
  readonly serialTail: string;
  readonly screenText: string | null;
}

export function openTrapscope(): Trapscope {
  // Inside the project, so that the bundle finds its package.
  const built = mkdtempSync(join(ROOT, "node_modules", ".trapscope-"));
  const result = spawnSync(process.execPath, ["scripts/build-node.mjs", built], { cwd: ROOT, encoding: "utf8" });
  if (result.status !== 0) throw new Error(result.stderr);
  const folder = mkdtempSync(join(tmpdir(), "trapscope-"));
  const run = (args: readonly string[], input?: string): Promise<Finished> =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [join(built, "cli.js"), ...args], { cwd: folder });
      let stdout = "", stderr = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => void (stdout += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => void (stderr += text));
      child.on("error", reject).on("close", (code) => resolve({ code, stdout, stderr }));
      child.stdin.on("error", () => {}).end(input ?? "");
    });
  return {
    folder,
    run,
    start: (args) => spawn(process.execPath, [join(built, "cli.js"), ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] }),
    file(name, content) {
      const path = join(folder, name);
      writeFileSync(path, content);
      return path;
    },
    async json(args, input) {
      const { stdout, code, stderr } = await run([...args, "--json"], input);
      const lines = stdout.split("\n");
      if (lines.length !== 2 || lines[1] !== "") throw new Error(`stdout is not one line: ${stdout}\n${stderr}`);
      const value = JSON.parse(lines[0]!) as RunJson;
      if (value.exitCode !== code) throw new Error(`exit code ${code}, JSON says ${value.exitCode}`);
      return value;
    },
    close() {
      rmSync(built, { recursive: true });
      rmSync(folder, { recursive: true });
    },
  };
}
