// The debugger's state on the page: breakpoints, symbols, where its panes look, and what the machine answers.

import type { Command } from "../protocol/commands.ts";
import type {
  BackTarget, Breakpoint, BreakpointSpec, DebugAnswer, DebugAnswers, DebugEdit, DebugRequest, HistoryView, MemorySpace,
} from "../protocol/debug.ts";
import type { MachineEvent } from "../protocol/events.ts";
import type { Medium } from "../protocol/medium.ts";
import { GPR_NAMES, type RegisterSnapshot } from "../protocol/register-view.ts";
import type { SymbolTable } from "./debug-symbols.ts";
import { Observable } from "./observable.ts";

/** A tab that closes waits no longer than this for what it keeps. */
const LEAVING_MS = 1500;

export interface PageBreakpoint extends Breakpoint {
  readonly enabled: boolean;
  /** Why the machine cannot watch for it, or null. */
  readonly refused: string | null;
}

export interface DebugState {
  readonly breakpoints: readonly PageBreakpoint[];
  readonly symbols: SymbolTable | null;
  /** Names of the files that the symbols came from. */
  readonly symbolFiles: readonly string[];
  readonly history: HistoryView | null;
  /** What the browser's storage holds of this machine, or null. */
  readonly autosaved: { readonly savedMs: number; readonly bytes: number } | null;
  /** The machine goes back; this takes a moment. */
  readonly goingBack: boolean;
  /** Where the disassembly looks; null: at the next instruction. */
  readonly code: number | null;
  readonly memory: { readonly space: MemorySpace; readonly address: number };
  /** Why the last edit was not made, or null. */
  readonly editRefused: string | null;
  /** Counts what may have changed what the panes show: stops, edits, a new machine. */
  readonly revision: number;
}

const NONE: DebugState = {
  breakpoints: [], symbols: null, symbolFiles: [], history: null, autosaved: null, goingBack: false, code: null, memory: { space: "linear", address: 0 }, editRefused: null, revision: 0,
};

export interface DebugHost {
  send(command: Command): void;
  registers(): RegisterSnapshot | null;
  notice(text: string): void;
  saveFile(name: string, bytes: Uint8Array): void;
  showProblem(title: string, reason: string, whatToDo: string): void;
}

type OfKind<K extends DebugRequest["kind"]> = Extract<DebugRequest, { kind: K }>;

export class DebugStore {
  readonly state = new Observable<DebugState>(NONE);
  readonly #host: DebugHost;
  readonly #waiting = new Map<number, (answer: DebugAnswer | null) => void>();
  #nextId = 1;

  constructor(host: DebugHost) {
    this.#host = host;
  }

  // --- the machine's answers

  /** Null: the machine is gone. */
  inspect<K extends DebugRequest["kind"]>(request: OfKind<K>): Promise<DebugAnswers[K] | null> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#waiting.set(id, (answer) => resolve(answer as DebugAnswers[K] | null));
      this.#host.send({ type: "inspect", id, request });
    });
  }

  /** True where the event was the debugger's alone. */
  onEvent(event: MachineEvent): boolean {
    switch (event.type) {
      case "inspected":
        this.#waiting.get(event.id)?.(event.answer);
        this.#waiting.delete(event.id);
        return true;
      case "edited":
        this.state.patch({ editRefused: event.refused });
        this.#changed();
        return true;
      case "breakpointRefused":
        this.#replace(event.id, (own) => ({ ...own, refused: event.reason }));
        return true;
      case "fileReady":
        this.#host.saveFile(event.name, event.bytes);
        return true;
      case "fileRefused":
        this.#host.showProblem(event.title, event.reason, event.whatToDo);
        return true;
      case "snapshotRestored":
        this.#host.notice(`${event.name}: restored, and paused.`);
        return true;
      case "autosaved":
        this.state.patch({ autosaved: event.saved });
        return true;
      case "history":
        this.state.patch({ history: event.history });
        return true;
      case "ready": case "defect": case "rejected":
        this.#abandon();
        this.state.patch({ history: null, code: null, goingBack: false });
        this.#changed();
        return false;
      case "state":
        if (event.state.kind !== "running") {
          this.state.patch({ code: null, goingBack: false });
          this.#changed();
        }
        return false;
      default: return false;
    }
  }

  /** What was asked of a machine that is gone will not be answered. */
  #abandon(): void {
    for (const answer of this.#waiting.values()) answer(null);
    this.#waiting.clear();
  }

  #changed(): void {
    this.state.patch({ revision: this.state.get().revision + 1 });
  }

  // --- run control

  stepOver(): void { this.#host.send({ type: "stepOver" }); }
  stepOut(): void { this.#host.send({ type: "stepOut" }); }
  runTo(linear: number): void { this.#host.send({ type: "runTo", linear }); }

  back(to: BackTarget): void {
    this.state.patch({ goingBack: true });
    this.#host.send({ type: "back", to });
  }

  edit(edit: DebugEdit): void {
    this.#host.send({ type: "edit", edit });
  }

  // --- the machine as files

  saveSnapshot(): void { this.#host.send({ type: "saveSnapshot" }); }
  saveRecording(): void { this.#host.send({ type: "saveRecording" }); }
  autosave(): void { this.#host.send({ type: "autosave" }); }
  /** The page goes away, and its worker with it: waits for the worker, which a page can only do by looking again and again. */
  autosaveNow(): void {
    if (typeof SharedArrayBuffer === "undefined") return this.autosave();
    const done = new Int32Array(new SharedArrayBuffer(4)), end = performance.now() + LEAVING_MS;
    this.#host.send({ type: "autosave", done });
    while (Atomics.load(done, 0) === 0 && performance.now() < end);
  }
  restoreAutosave(): void { this.#host.send({ type: "restoreAutosave" }); }
  restoreSnapshot(file: Medium): void { this.#host.send({ type: "restoreSnapshot", file }); }

  // --- breakpoints

  add(spec: BreakpointSpec): void {
    this.#set([...this.state.get().breakpoints, { id: this.#nextId++, spec, enabled: true, refused: null }]);
  }

  remove(id: number): void {
    this.#set(this.state.get().breakpoints.filter((own) => own.id !== id));
  }

  enable(id: number, enabled: boolean): void {
    this.#replace(id, (own) => ({ ...own, enabled, refused: null }));
    this.#send();
  }

  /** At an address: on, or off if there is one. */
  toggle(linear: number): void {
    const own = this.at(linear);
    if (own) this.remove(own.id);
    else this.add({ kind: "execute", linear });
  }

  at(linear: number): PageBreakpoint | undefined {
    return this.state.get().breakpoints.find(({ spec }) => spec.kind === "execute" && spec.linear === linear);
  }

  #replace(id: number, change: (own: PageBreakpoint) => PageBreakpoint): void {
    this.state.patch({ breakpoints: this.state.get().breakpoints.map((own) => (own.id === id ? change(own) : own)) });
  }

  #set(breakpoints: readonly PageBreakpoint[]): void {
    this.state.patch({ breakpoints });
    this.#send();
  }

  #send(): void {
    this.#host.send({ type: "setBreakpoints", breakpoints: this.state.get().breakpoints.filter(({ enabled }) => enabled).map(({ id, spec }) => ({ id, spec })) });
  }

  // --- where the panes look

  showCode(address: number | null): void {
    this.state.patch({ code: address });
  }

  showMemory(space: MemorySpace, address: number): void {
    this.state.patch({ memory: { space, address: address >>> 0 } });
  }

  /** "c0100000", "0x7c00", "esp", "start_kernel", "esp+10", "es:bx"; null: it means nothing. */
  resolve(text: string): number | null {
    const match = /^\s*([^+-]+?)\s*(?:([+-])\s*(?:0x)?([0-9a-f]+)\s*)?$/i.exec(text);
    if (!match) return null;
    const [, name, sign, offset] = match as unknown as [string, string, string?, string?];
    const base = this.#value(name);
    if (base === null) return null;
    const distance = offset === undefined ? 0 : Number.parseInt(offset, 16);
    return (sign === "-" ? base - distance : base + distance) >>> 0;
  }

  #value(name: string): number | null {
    const symbol = this.state.get().symbols?.address(name);
    if (symbol !== undefined && symbol !== null) return symbol;
    const registers = this.#host.registers();
    const segmented = /^([c-gs]s|[0-9a-f]{1,4}):(\w+)$/i.exec(name);
    if (segmented && registers) {
      const base = segmentBase(segmented[1]!, registers), offset = this.#value(segmented[2]!);
      return base === null || offset === null ? null : (base + offset) >>> 0;
    }
    const own = registers && registerValue(name, registers);
    if (own !== null) return own;
    return /^(?:0x)?[0-9a-f]{1,8}$/i.test(name) ? Number.parseInt(name.replace(/^0x/i, ""), 16) : null;
  }

  // --- symbols

  /** Adds the names of a file. False: it holds none. */
  async addSymbols(file: Medium): Promise<boolean> {
    const { readSymbols, SymbolTable, LARGEST_SYMBOL_FILE } = await import("./debug-symbols.ts");
    const bytes = await wholeFile(file, LARGEST_SYMBOL_FILE);
    const symbols = bytes ? readSymbols(bytes) : [];
    if (symbols.length === 0) return false;
    const table = new SymbolTable(symbols);
    this.state.patch({ symbols: table, symbolFiles: [file.name] });
    this.#changed();
    this.#host.notice(`${file.name}: ${table.count.toLocaleString("en-US")} symbols for the debugger.`);
    return true;
  }

  /** Takes lists of symbols out of what was dropped. An ELF file is left, since it may be a kernel; `named`: those that gave their symbols. */
  async takeSymbols<T extends Medium>(files: readonly T[]): Promise<{ readonly left: T[]; readonly named: ReadonlySet<T> }> {
    const left: T[] = [], named = new Set<T>();
    for (const file of files) {
      const begin = await firstBytes(file);
      if (begin === null) {
        left.push(file);
        continue;
      }
      const { looksLikeElf, looksLikeSymbols } = await import("./debug-symbols.ts");
      const isElf = looksLikeElf(begin);
      const found = (isElf || looksLikeSymbols(begin)) && (await this.addSymbols(file));
      if (found && isElf) named.add(file);
      if (!found || isElf) left.push(file);
    }
    return { left, named };
  }
}

const LOOK_BYTES = 4096;
/** Digits at the begin of a text, or the magic number of ELF: all others are no symbols, and nothing is loaded to find out. */
const MAY_BE_SYMBOLS = /^[0-9a-f]{8}|^ {8}|^\x7fELF/;

async function firstBytes({ data }: Medium): Promise<Uint8Array | null> {
  const bytes = data instanceof Uint8Array ? data.subarray(0, LOOK_BYTES) : data instanceof Blob ? new Uint8Array(await data.slice(0, LOOK_BYTES).arrayBuffer()) : null;
  return bytes && MAY_BE_SYMBOLS.test(String.fromCharCode(...bytes.subarray(0, 8))) ? bytes : null;
}

async function wholeFile({ data }: Medium, most: number): Promise<Uint8Array | null> {
  if (data instanceof Uint8Array) return data;
  return data instanceof Blob && data.size <= most ? new Uint8Array(await data.arrayBuffer()) : null;
}

const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"];

function segmentBase(name: string, { virtual }: RegisterSnapshot): number | null {
  const index = SEGMENTS.indexOf(name.toLowerCase());
  if (index >= 0) return virtual.segments[index]!.base;
  return /^[0-9a-f]{1,4}$/i.test(name) ? Number.parseInt(name, 16) * 16 : null;
}

function registerValue(name: string, { gpr, eip }: RegisterSnapshot): number | null {
  const upper = name.toUpperCase();
  if (upper === "EIP" || upper === "IP") return upper === "IP" ? eip & 0xffff : eip;
  const wide = GPR_NAMES.indexOf(upper as (typeof GPR_NAMES)[number]);
  if (wide >= 0) return gpr[wide]!;
  const narrow = GPR_NAMES.indexOf(`E${upper}` as (typeof GPR_NAMES)[number]);
  return narrow >= 0 ? gpr[narrow]! & 0xffff : null;
}
