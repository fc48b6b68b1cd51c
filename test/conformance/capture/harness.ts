// The silicon: builds silicon.c, keeps the process and speaks its protocol.

import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { CS, EFLAGS_FIXED, EFLAGS_RF } from "../../../src/isa/state-layout.ts";
import { type Bytes, type Case, COMPLETED, linearEip, type Outcome } from "./case.ts";
import { FLOAT_BYTES } from "./float-state.ts";
import { CODE_BYTES, descriptorOf, REGIONS, userDescriptors } from "./sandbox.ts";

const FLAGS = "-m32 -O2 -ffreestanding -fno-pic -fno-stack-protector -nostdlib -static -no-pie".split(" ");
/** The kernel extends the process's stack downwards when something below it is touched. */
const STACK_GROWTH = 16 << 20;
const BREAKPOINT = 3, PROTECTION = 13, PAGE_FAULT = 14, FETCH = 0x10;
/** `vector` of an instruction that did not end within a second of processor time. */
export const STILL_RUNNING = 255;

/** Compiles the harness into a directory of its own; `remove` deletes it. */
export function buildHarness(source: string): { readonly program: string; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), "silicon-"));
  const program = join(directory, "silicon");
  execFileSync("gcc", [...FLAGS, "-o", program, source], { stdio: "inherit" });
  return { program, remove: () => rmSync(directory, { recursive: true }) };
}

/** A growing row of little-endian words. */
class Words {
  private buffer = Buffer.alloc(1 << 16);
  bytes = 0;
  private room(more: number): void {
    if (this.bytes + more <= this.buffer.length) return;
    const larger = Buffer.alloc(2 * (this.bytes + more));
    this.buffer.copy(larger, 0, 0, this.bytes);
    this.buffer = larger;
  }
  put(value: number): void {
    this.room(4);
    this.buffer.writeInt32LE(value | 0, this.bytes);
    this.bytes += 4;
  }
  putAll(values: readonly number[]): void {
    for (const value of values) this.put(value);
  }
  /** Padded with zeros. */
  raw(bytes: ArrayLike<number>): void {
    const padded = (bytes.length + 3) & ~3;
    this.room(padded);
    this.buffer.fill(0, this.bytes, this.bytes + padded);
    this.buffer.set(bytes, this.bytes);
    this.bytes += padded;
  }
  putBytes({ address, bytes }: Bytes): void {
    this.put(address);
    this.put(bytes.length);
    this.raw(bytes);
  }
  take(): Buffer {
    return this.buffer.subarray(0, this.bytes);
  }
}

const READ = 1, WRITE = 2, EXECUTE = 4;

function greeting(): Buffer {
  const words = new Words();
  words.put(REGIONS.length);
  for (const { address, contents, writable, executable } of REGIONS) {
    words.putAll([address, contents.length, READ | (writable ? WRITE : 0) | (executable ? EXECUTE : 0)]);
    words.raw(contents);
  }
  const descriptors = userDescriptors();
  words.put(descriptors.length);
  for (const descriptor of descriptors) words.putAll(descriptor);
  return words.take();
}

export class Silicon {
  /** Ranges [from, to) of linear memory that the process needs for itself: cases must stay out of them. */
  occupied: readonly (readonly [number, number])[] = [];
  private readonly process: ChildProcessByStdio<Writable, Readable, null>;
  private received: Buffer[] = [];
  private receivedBytes = 0;
  private wake: (() => void) | null = null;
  /** How the process ended, in the middle of our questions. */
  private ended: string | null = null;

  constructor(program: string) {
    this.process = spawn(program, { stdio: ["pipe", "pipe", "inherit"] });
    this.process.stdout.on("data", (chunk: Buffer) => {
      this.received.push(chunk);
      this.receivedBytes += chunk.length;
      this.wake?.();
    });
    this.process.on("close", (code, signal) => {
      this.ended = signal ?? `exit code ${code}`;
      this.wake?.();
    });
    this.process.stdin.on("error", () => {});
    this.process.stdin.write(greeting());
  }

  private async receive(bytes: number): Promise<Buffer> {
    while (this.receivedBytes < bytes) {
      if (this.ended !== null) throw new Error(`the silicon harness died: ${this.ended}`);
      await new Promise<void>((resolve) => { this.wake = resolve; });
    }
    const all = Buffer.concat(this.received);
    this.received = [all.subarray(bytes)];
    this.receivedBytes -= bytes;
    return all.subarray(0, bytes);
  }

  /** Runs cases in the order given. */
  async run(cases: readonly Case[]): Promise<Outcome[]> {
    const words = new Words();
    for (const c of cases) {
      words.putAll(c.registers);
      words.put(c.eip);
      words.put(c.eflags);
      words.putAll(c.selectors);
      words.put(c.float ? 1 : 0);
      if (c.float) words.raw(c.float);
      words.put(c.memory.length + 1);
      for (const patch of c.memory) words.putBytes(patch);
      words.putBytes({ address: linearEip(c), bytes: c.code });
    }
    const head = new Words();
    head.put(words.bytes);
    this.process.stdin.write(Buffer.concat([head.take(), words.take()]));
    const answer = await this.receive((await this.receive(4)).readUInt32LE(0));
    let at = 0;
    const word = () => answer.readInt32LE((at += 4) - 4);
    return cases.map((c) => readOutcome(c, word, (bytes) => {
      const from = at;
      at += (bytes + 3) & ~3;
      return [...answer.subarray(from, from + bytes)];
    }));
  }

  /** Waits until the process runs, and learns what it occupies. */
  async prepare(): Promise<void> {
    await this.run([]);
    const inSandbox = (from: number) => REGIONS.some(({ address, contents }) => from >= address && from < address + contents.length);
    this.occupied = readFileSync(`/proc/${this.process.pid}/maps`, "utf8").trim().split("\n")
      .map((line) => {
        const [from = 0, to = 0] = line.split(/[- ]/).slice(0, 2).map((text) => Number.parseInt(text, 16));
        return [line.endsWith("[stack]") ? from - STACK_GROWTH : from, to] as const;
      })
      .filter(([from]) => !inSandbox(from));
  }

  stop(): void {
    this.process.stdin.end();
  }
}

function readOutcome(c: Case, word: () => number, bytes: (count: number) => number[]): Outcome {
  const registers = Array.from({ length: 8 }, word);
  const eip = word() >>> 0;
  const eflags = (word() | EFLAGS_FIXED) & ~EFLAGS_RF;
  const selectors = Array.from({ length: 6 }, word);
  const vector = word(), error = word(), cr2 = word();
  const float = c.float ? Uint8Array.from(bytes(FLOAT_BYTES)) : null;
  const changes = Array.from({ length: word() }, () => {
    const address = word() >>> 0;
    return { address, bytes: bytes(word()) };
  });
  const outcome = { vector, error, cr2: vector === PAGE_FAULT ? cr2 : 0, registers, eip, eflags, selectors, changes, float };
  return withoutEnd(c, outcome);
}

/**
 * The end of the case, the INT3 behind the instruction or a target that cannot be fetched, is no part of the outcome; nor is the
 * bit of a page fault's error code that tells a fetch, which processors without execute-disable do not have.
 */
function withoutEnd(c: Case, o: Outcome): Outcome {
  const completed = (eip: number) => ({ ...o, vector: COMPLETED, error: 0, cr2: 0, eip });
  const begin = linearEip(c), base = descriptorOf((o.selectors[CS] as number) | 3)?.base ?? 0;
  if (o.vector === BREAKPOINT) {
    const at = (base + o.eip - 1) >>> 0;
    return at >= begin && at < begin + c.code.length ? o : completed((o.eip - 1) >>> 0);
  }
  const moved = (base + o.eip) >>> 0 !== begin;
  if (o.vector === PAGE_FAULT && o.error & FETCH) return moved && o.cr2 >>> 0 === (base + o.eip) >>> 0 ? completed(o.eip) : { ...o, error: o.error & ~FETCH };
  return o.vector === PROTECTION && moved && o.eip === CODE_BYTES ? completed(o.eip) : o;
}
