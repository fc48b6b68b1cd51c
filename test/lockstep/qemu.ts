// A qemu-system-i386 that never runs by itself: its processor is set up, stepped and read through the gdb stub.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { GdbRemote } from "./gdb-remote.ts";
import { describeSegment, REGISTERS, type ProcessorView, type RegisterName, type SystemView } from "./processor-view.ts";

const PROGRAM = "qemu-system-i386";
/** What our default model has, as far as QEMU's P6 can be told. */
const MODEL = "pentium3,+sse2,+pni,+nx,+clflush,-apic";
/** Words of the `g` packet: registers, selectors, fs_base gs_base k_gs_base, control registers. */
const WORDS: readonly (RegisterName | null)[] = [
  "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags", "cs", "ss", "ds", "es", "fs", "gs", null, null, null, "cr0", "cr2", "cr3", "cr4",
];
const ROM_BYTES = 256 << 10;
const SELECTORS: ReadonlySet<string> = new Set(["cs", "ss", "ds", "es", "fs", "gs"]);

export function haveQemu(): boolean {
  try {
    execFileSync(PROGRAM, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export class Qemu {
  private readonly child: ChildProcess;
  private readonly directory: string;
  readonly gdb: GdbRemote;
  /** Everything that the `g` packet holds. */
  private block: Buffer;

  private constructor(child: ChildProcess, directory: string, gdb: GdbRemote, block: Buffer) {
    this.child = child;
    this.directory = directory;
    this.gdb = gdb;
    this.block = block;
  }

  static async start(): Promise<Qemu> {
    const directory = mkdtempSync(join(tmpdir(), "trapscope-lockstep-"));
    const socket = join(directory, "gdb");
    // In place of the BIOS: what lies at the top of memory reads as 0, like all that is not RAM.
    const rom = join(directory, "rom");
    writeFileSync(rom, new Uint8Array(ROM_BYTES));
    const child = spawn(PROGRAM, ["-bios", rom, "-M", "pc", "-cpu", MODEL, "-m", "16", "-display", "none", "-nodefaults", "-no-reboot", "-no-shutdown", "-S", "-gdb", `unix:${socket},server=on,wait=off`], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    for (let attempt = 0; ; attempt++) {
      try {
        const gdb = await GdbRemote.connect(socket);
        await gdb.ask("qSupported:xmlRegisters=i386");
        await gdb.ask("qXfer:features:read:target.xml:0,ffb");
        // Memory packets name physical addresses.
        await gdb.ask("Qqemu.PhyMemMode:1");
        return new Qemu(child, directory, gdb, await gdb.readRegisters());
      } catch (error) {
        if (attempt === 100) throw error;
        await sleep(50);
      }
    }
  }

  stop(): void {
    this.gdb.close();
    this.child.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Real mode at 0:eip with everything else zero. */
  async reset(eip: number): Promise<void> {
    // A selector is loaded only if it changes, and as the mode of that moment has it: CR0 before, others in between.
    for (const selector of [0x100, 0]) {
      const block = Buffer.from(this.block);
      WORDS.forEach((name, i) => {
        if (name === null) return;
        const value = name === "eip" ? eip : name === "eflags" ? 2 : name === "cr0" ? 0x10 : SELECTORS.has(name) ? selector : 0;
        block.writeUInt32LE(value, i * 4);
      });
      await this.gdb.writeRegisters(block);
    }
  }

  /** Gives the general registers, EFLAGS and CS these values. */
  async adopt(view: ProcessorView): Promise<void> {
    const block = await this.gdb.readRegisters();
    for (const name of ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eflags", "cs"] as const) block.writeUInt32LE(view[name], WORDS.indexOf(name) * 4);
    await this.gdb.writeRegisters(block);
  }

  /** From what the monitor prints of the registers. */
  async system(): Promise<SystemView> {
    const text = await this.gdb.monitor("info registers");
    const view = new Map<string, string>();
    for (const [, name, selector, base, limit, flags] of text.matchAll(/^([CSDEFGLT][SDR]T?) *=([0-9a-f]{4}) ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8})/gm)) {
      const high = Number.parseInt(flags!, 16);
      describeSegment(view, name!.toLowerCase(), Number.parseInt(selector!, 16), base!, limit!, ((high >> 8) & 0xff) | ((high >> 8) & 0xf000));
    }
    for (const [, name, base, limit] of text.matchAll(/^([GI]DT)= +([0-9a-f]{8}) ([0-9a-f]{8})/gm)) view.set(name!.toLowerCase(), `${base} ${limit}`);
    for (const [, n, value] of text.matchAll(/DR([0-7])=([0-9a-f]{8})/g)) view.set(`dr${n}`, value!);
    for (const [, value] of text.matchAll(/EFER=([0-9a-f]{16})/g)) view.set("efer", value!.slice(8));
    return view;
  }

  async view(): Promise<ProcessorView> {
    const block = await this.gdb.readRegisters();
    const view = Object.fromEntries(REGISTERS.map((name) => [name, 0])) as ProcessorView;
    WORDS.forEach((name, i) => {
      if (name !== null) view[name] = block.readUInt32LE(i * 4);
    });
    return view;
  }
}
