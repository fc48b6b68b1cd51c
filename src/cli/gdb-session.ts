// One debugger's conversation with the machine: every request of the GDB remote serial protocol and its answer.
// GDB manual, appendix "GDB Remote Serial Protocol": "Packets", "Stop Reply Packets", "General Query Packets".
//
// The debugger sees the processor that the guest believes in, whatever technique runs it. Addresses are linear; after
// "monitor physical on" memory is read and written by physical address.
//
// With a History the debugger goes back, too ("bs", "bc"): manual, "Running programs backward".
//
// Not implemented: several processors, file transfer, tracepoints, range stepping.

import { guestRegisters, setGuestRegisters } from "../machine/guest-registers.ts";
import type { BreakpointHit } from "../machine/breakpoints.ts";
import { applyInput, inputOfEdit, type OutsideInput } from "../machine/input-log.ts";
import type { Machine, RunReason } from "../machine/machine.ts";
import type { History } from "../machine/replay.ts";
import { monitorCommand, type MonitorSettings } from "./gdb-monitor.ts";
import { bytesOfHex, bytesOfText, hexOf } from "./gdb-packets.ts";
import { GDB_REGISTERS, TARGET_XML } from "./gdb-registers.ts";

/** What the machine is to do now. */
export type GdbState = "stopped" | "running" | "stepping" | "detached" | "killed";

const PACKET_SIZE = 0x4000;
const SIGINT = 2, SIGTRAP = 5, SIGABRT = 6, SIGSEGV = 11;
/** Error numbers as a Unix has them. */
const EFAULT = "E0e", EINVAL = "E16", ENOENT = "E02";
/** The one processor. */
const THREAD = "1";

type Reply = string | null;

export class GdbSession {
  /** Packets to the debugger, unframed. */
  readonly send: (text: string) => void;
  state: GdbState = "stopped";
  /** Acknowledgements are off. */
  noAcknowledgements = false;
  private readonly machine: Machine;
  private readonly history: History | null;
  private readonly settings: MonitorSettings = { physical: false, give: (input) => this.give(input) };
  private readonly breakpoints = new Map<string, number>();
  private lastStop = `T05thread:${THREAD};`;
  /** The debugger knows the reasons of stops. */
  private namesReasons = false;
  private onResume: () => void;

  constructor(machine: Machine, history: History | null, send: (text: string) => void, onResume: () => void) {
    this.machine = machine;
    this.history = history;
    this.send = send;
    this.onResume = onResume;
  }

  packet(text: string): void {
    let reply: Reply;
    try {
      reply = this.answer(text);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      reply = error.reply;
    }
    if (reply !== null) this.send(reply);
  }

  /** The debugger is gone, with or without a word. */
  close(): void {
    for (const id of this.breakpoints.values()) this.machine.breakpoints.remove(id);
    this.breakpoints.clear();
    if (this.state !== "killed") this.state = "detached";
    this.onResume();
  }

  /** The machine has stopped. False: it is to go on. */
  stopped(reason: RunReason, interrupted: boolean): boolean {
    const { hit } = this.machine.breakpoints;
    switch (reason) {
      case "breakpoint":
        return this.report(SIGTRAP, hit === null ? "" : this.reasonOf(hit));
      case "budget": case "exception": case "idle":
        if (interrupted) return this.report(SIGINT, "");
        return this.state === "stepping" && reason !== "idle" ? this.report(SIGTRAP, "") : false;
      case "break":
        return interrupted ? this.report(SIGINT, "") : false;
      case "triple-fault":
        this.say("The processor has shut down: a fault while it delivered a double fault.");
        return this.report(SIGSEGV, "");
      case "refused":
        this.say(`The technique gave up: ${this.machine.supervisor.refusal?.reason}.`);
        return this.report(SIGABRT, "");
      case "halted":
        if (interrupted) return this.report(SIGINT, "");
        this.say("The guest waits in HLT for an interrupt that cannot come.");
        return this.report(SIGTRAP, "");
      case "power-off": case "exit-port":
        this.state = "killed";
        this.send(`W${((this.machine.exitValue ?? 0) & 0xff).toString(16).padStart(2, "0")}`);
        return true;
    }
  }

  private report(signal: number, reason: string): true {
    this.state = "stopped";
    this.lastStop = `T${signal.toString(16).padStart(2, "0")}${reason}thread:${THREAD};`;
    this.send(this.lastStop);
    return true;
  }

  private reasonOf({ breakpoint, linear }: BreakpointHit): string {
    if (breakpoint.kind === "data") {
      const name = { write: "watch", read: "rwatch", access: "awatch" }[breakpoint.access];
      return `${name}:${linear.toString(16)};`;
    }
    if (!this.namesReasons) return "";
    return [...this.breakpoints.keys()].some((key) => key.startsWith("1,") && Number.parseInt(key.slice(2), 16) === linear) ? "hwbreak:;" : "swbreak:;";
  }

  /** Text on the debugger's console. */
  private say(text: string): void {
    this.send(`O${hexOf(new TextEncoder().encode(`${text}\n`))}`);
  }

  /** Null: the answer comes when the machine stops. An empty answer: the request is not known. */
  private answer(text: string): Reply {
    const rest = text.slice(1);
    switch (text[0]) {
      case "?": return this.lastStop;
      case "g": return this.readAll();
      case "G": return this.writeAll(rest);
      case "p": return this.readOne(rest);
      case "P": return this.writeOne(rest);
      case "m": return this.readMemory(rest);
      case "M": return this.writeMemory(rest, (data) => bytesOfHex(data));
      case "X": return this.writeMemory(rest, bytesOfText);
      case "Z": case "z": return this.breakpoint(text[0] === "Z", rest);
      case "b": return this.back(rest);
      case "c": case "s": return this.resumeAt(text[0] === "s", rest);
      case "C": case "S": return this.resumeAt(text[0] === "S", rest.split(";")[1] ?? "");
      case "v": return this.verbose(text);
      case "q": case "Q": return this.query(text);
      case "H": return "OK";
      case "T": return isThread(rest) ? "OK" : ENOENT;
      case "D":
        this.send("OK");
        this.close();
        return null;
      case "k":
        this.kill();
        return null;
      default: return "";
    }
  }

  private verbose(text: string): Reply {
    if (text === "vCont?") return "vCont;c;C;s;S";
    if (text.startsWith("vCont;")) {
      const action = /^vCont;([cCsS])/.exec(text)?.[1];
      return action === undefined ? EINVAL : this.resume(action === "s" || action === "S");
    }
    if (text.startsWith("vKill")) {
      this.send("OK");
      this.kill();
      return null;
    }
    return "";
  }

  private query(text: string): Reply {
    if (text.startsWith("qSupported")) {
      this.namesReasons = text.includes("swbreak+");
      return `PacketSize=${PACKET_SIZE.toString(16)};qXfer:features:read+;QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+${this.history ? ";ReverseStep+;ReverseContinue+" : ""}`;
    }
    if (text === "QStartNoAckMode") {
      this.send("OK");
      this.noAcknowledgements = true;
      return null;
    }
    if (text === "qC") return `QC${THREAD}`;
    if (text === "qfThreadInfo") return `m${THREAD}`;
    if (text === "qsThreadInfo") return "l";
    if (text.startsWith("qThreadExtraInfo")) return hexOf(new TextEncoder().encode(`processor, ${this.machine.supervisor.technique}`));
    if (text.startsWith("qAttached")) return "1";
    if (text.startsWith("qSymbol")) return "OK";
    if (text.startsWith("qXfer:features:read:")) return this.description(text.slice("qXfer:features:read:".length));
    if (text.startsWith("qRcmd,")) return this.command(text.slice("qRcmd,".length));
    return "";
  }

  private description(request: string): string {
    const [, annex, offset, length] = /^([^:]*):([0-9a-f]+),([0-9a-f]+)$/i.exec(request) ?? [];
    if (annex !== "target.xml") return "E00";
    const from = Number.parseInt(offset!, 16), part = TARGET_XML.slice(from, from + Number.parseInt(length!, 16));
    return (from + part.length < TARGET_XML.length ? "m" : "l") + part;
  }

  private command(hex: string): Reply {
    const bytes = bytesOfHex(hex);
    if (!bytes) return EINVAL;
    const output = monitorCommand(this.machine, this.settings, new TextDecoder().decode(bytes).trim());
    return output === "" ? "OK" : hexOf(new TextEncoder().encode(`${output}\n`));
  }

  // --- registers

  private readAll(): string {
    const file = guestRegisters(this.machine);
    return GDB_REGISTERS.map((register) => hexOf(register.read(file))).join("");
  }

  private writeAll(hex: string): string {
    const bytes = bytesOfHex(hex);
    if (!bytes) return EINVAL;
    let at = 0;
    for (let n = 0; n < GDB_REGISTERS.length && at + GDB_REGISTERS[n]!.bytes <= bytes.length; n++) {
      const register = GDB_REGISTERS[n]!;
      this.writeRegister(n, bytes.subarray(at, at + register.bytes));
      at += register.bytes;
    }
    return "OK";
  }

  private readOne(number: string): string {
    const register = GDB_REGISTERS[Number.parseInt(number, 16)];
    return register ? hexOf(register.read(guestRegisters(this.machine))) : EINVAL;
  }

  private writeOne(request: string): string {
    const [number = "", hex = ""] = request.split("=");
    const bytes = bytesOfHex(hex), n = Number.parseInt(number, 16);
    if (!bytes || GDB_REGISTERS[n]?.bytes !== bytes.length) return EINVAL;
    return this.writeRegister(n, bytes) ? "OK" : EINVAL;
  }

  /** What does not change is not written: a selector would be made anew from nothing but its number. */
  private writeRegister(n: number, bytes: Uint8Array): boolean {
    const register = GDB_REGISTERS[n]!;
    const file = guestRegisters(this.machine);
    if (hexOf(register.read(file)) === hexOf(bytes)) return true;
    const part = register.write(bytes, file);
    if (part === null) return false;
    const parts = Object.entries(part), [name, value] = parts[0] ?? [];
    if (parts.length === 1 && typeof value === "number") this.give({ kind: "register", name: name!, value });
    else {
      setGuestRegisters(this.machine, part);
      this.history?.forget(false);
    }
    return true;
  }

  /** What is written down can be gone back beyond. */
  private give(input: OutsideInput): void {
    if (this.history) this.history.input(input);
    else applyInput(this.machine, input);
  }

  // --- memory

  private readMemory(request: string): string {
    const { memory } = this.machine;
    const [address, length] = range(request);
    const bytes = this.settings.physical ? memory.readPhysical(address, length) : memory.read(address, length);
    return bytes.length === 0 && length > 0 ? EFAULT : hexOf(bytes);
  }

  private writeMemory(request: string, decode: (data: string) => Uint8Array | null): string {
    const colon = request.indexOf(":");
    const [address, length] = range(request.slice(0, colon));
    const bytes = decode(request.slice(colon + 1));
    if (colon < 0 || bytes?.length !== length) return EINVAL;
    const edit = inputOfEdit(this.machine, { kind: "memory", space: this.settings.physical ? "physical" : "linear", address, bytes });
    if (!edit) return EFAULT;
    this.give(edit);
    return "OK";
  }

  // --- breakpoints and running

  private breakpoint(insert: boolean, request: string): string {
    const [, type = "", where = "", kind = ""] = /^([0-9]),([0-9a-f]+),([0-9a-f]+)/i.exec(request) ?? [];
    const key = `${type},${where},${kind}`, known = this.breakpoints.get(key);
    const { breakpoints } = this.machine;
    if (!insert) {
      if (known !== undefined) breakpoints.remove(known);
      this.breakpoints.delete(key);
      return "OK";
    }
    if (known !== undefined) return "OK";
    const linear = Number.parseInt(where, 16) >>> 0;
    const access = ({ 2: "write", 3: "read", 4: "access" } as const)[type as "2" | "3" | "4"];
    if (type === "0" || type === "1") this.breakpoints.set(key, breakpoints.add({ kind: "execute", linear }));
    else if (access) this.breakpoints.set(key, breakpoints.add({ kind: "data", access, linear, bytes: Number.parseInt(kind, 16) }));
    else return "";
    return "OK";
  }

  private resumeAt(step: boolean, address: string): Reply {
    if (address !== "") this.give({ kind: "register", name: "eip", value: Number.parseInt(address, 16) >>> 0 });
    return this.resume(step);
  }

  private resume(step: boolean): null {
    const file = guestRegisters(this.machine);
    this.machine.breakpoints.pass((file.cs.base + file.eip) >>> 0);
    this.state = step ? "stepping" : "running";
    this.onResume();
    return null;
  }

  /** "s": by an instruction; "c": to the last time that a breakpoint would have stopped. */
  private back(how: string): Reply {
    const { history, machine } = this;
    if (!history || (how !== "s" && how !== "c")) return "";
    const hit = how === "c" ? history.runBackTo(machine.breakpoints.list().map(([, breakpoint]) => breakpoint)) : null;
    const moved = how === "c" ? hit !== null : history.stepBack();
    this.report(SIGTRAP, !moved ? "replaylog:begin;" : hit ? this.reasonOf(hit) : "");
    return null;
  }

  private kill(): void {
    this.state = "killed";
    this.onResume();
  }
}

class RequestError extends Error {
  readonly reply: string;
  constructor(reply: string) {
    super(reply);
    this.reply = reply;
  }
}

function range(request: string): readonly [address: number, length: number] {
  const [, address, length] = /^([0-9a-f]+),([0-9a-f]+)$/i.exec(request) ?? [];
  if (address === undefined || length === undefined) throw new RequestError(EINVAL);
  return [Number.parseInt(address, 16) >>> 0, Math.min(Number.parseInt(length, 16), PACKET_SIZE / 2)];
}

function isThread(id: string): boolean {
  return Number.parseInt(id, 16) === Number.parseInt(THREAD, 16);
}
