// A pretended machine for looking at the page: writes traps, registers, text and speed into shared memory as the worker would,
// and understands the commands. It executes nothing.

import type { OpenClient } from "../../src/client/machine-client.ts";
import {
  CONTEXT_H, CONTEXT_V, CPL, CR0, CR3, EFLAGS_SYSTEM, EIP, FLAG_RESULT, GDTR_BASE, GDTR_LIMIT, GPR_BASE, IDTR_BASE, IDTR_LIMIT, SEGMENT_STRIDE,
} from "../../src/isa/state-layout.ts";
import { Counters } from "../../src/monitor/counters.ts";
import { TrapLog } from "../../src/monitor/trap-log.ts";
import type { Command } from "../../src/protocol/commands.ts";
import type { MachineEvent, SharedLayout } from "../../src/protocol/events.ts";
import type { ImageInfo } from "../../src/protocol/image-info.ts";
import { CODE_WINDOW_BYTES, TRUTH_BYTES, writeCodeWindow } from "../../src/protocol/register-view.ts";
import { REGISTER_TRACE_BYTES } from "../../src/protocol/register-trace.ts";
import { SCREEN_BYTES, ScreenWriter } from "../../src/protocol/screen-view.ts";
import { SOUND_BYTES, SoundWriter } from "../../src/protocol/sound-view.ts";
import { STATS_BYTES } from "../../src/protocol/stats-view.ts";
import type { Ring, TechniqueId } from "../../src/protocol/technique.ts";
import { ACTIONS, digest, packDigest, packMode, REASON_IRQ, SITE_TABLE_BYTES, TRAP_RING_BYTES } from "../../src/protocol/trap-record.ts";
import { explainInstruction } from "../../src/trace/instruction.ts";

const PM32 = packMode(0, 1, false, true, true);
const BARE = packMode(0, 0, false, true, true);

interface Site {
  readonly eip: number;
  readonly bytes: readonly number[];
  readonly kind: "exit" | "leak" | "irq";
  readonly action: keyof typeof ACTIONS;
  readonly a: number;
  readonly b: number;
}
const SITES: readonly Site[] = [
  { eip: 0xc0101000, bytes: [0xfa], kind: "exit", action: "emulate", a: 0, b: packDigest(digest(0x200, 0, 1), digest(0, 0, 1)) },
  { eip: 0xc0101001, bytes: [0x9c], kind: "leak", action: "leaked-read", a: 0x246, b: 0x46 },
  { eip: 0xc0101010, bytes: [0xee], kind: "exit", action: "port-out", a: 0x3f8 | (1 << 16), b: 0x41 },
  { eip: 0xc0101024, bytes: [0x0f, 0x01, 0x05, 0x40, 0x7c, 0x10, 0xc0], kind: "leak", action: "leaked-read", a: 0xff801000, b: 0xc0107c40 },
  { eip: 0xc0101040, bytes: [0x0f, 0x22, 0xd8], kind: "exit", action: "control", a: 3, b: 0x00101000 },
  { eip: 0xc0101060, bytes: [0x9d], kind: "leak", action: "lost-write", a: 0x46, b: 0x246 },
  { eip: 0xc0101070, bytes: [0xfb], kind: "exit", action: "emulate", a: 0, b: packDigest(digest(0, 0, 1), digest(0x200, 0, 1)) },
  { eip: 0xc0101080, bytes: [], kind: "irq", action: "deliver-irq", a: 8, b: 0 },
  { eip: 0xc0101090, bytes: [0x8b, 0x04, 0x8d, 0x00, 0x00, 0x80, 0xb8], kind: "exit", action: "shadow-fill", a: 4, b: 0xb8000000 },
];

function describe(name: string, size: number): ImageInfo {
  if (size === 0) return { title: "Empty file", evidence: "", size, targets: [], problem: { reason: "The file is empty.", whatToDo: "Check that the download is complete.", canForce: false } };
  if (/bzimage|vmlinuz/i.test(name)) return { title: "Linux kernel (bzImage)", evidence: "HdrS at 0x202", size, targets: ["kernel"], problem: null };
  if (/initrd/i.test(name)) return { title: "initrd", evidence: "gzip, cpio", size, targets: ["initrd", "hda"], problem: null };
  if (size > 2_880_000) return { title: "Hard disk image", evidence: "55AA at byte 510, 1 partition", size, targets: ["hda", "hdb"], problem: null };
  if (/bad/.test(name)) return { title: "Floppy image", evidence: "by size", size, targets: ["fda", "fdb"], problem: { reason: "No 55AA signature at byte 510.", whatToDo: "It may be a data disk.", canForce: true } };
  return { title: "Floppy image", evidence: "55AA at byte 510", size, targets: ["fda", "fdb"], problem: null };
}

class DemoMachine {
  readonly buffer: SharedArrayBuffer;
  readonly layout: SharedLayout;
  private readonly log: TrapLog;
  private readonly counters: Counters;
  private readonly screen: ScreenWriter;
  private readonly view: DataView;
  private readonly emit: (event: MachineEvent) => void;
  private timer: ReturnType<typeof setInterval> | undefined;
  private icount = 0;
  private turn = 0;
  technique: TechniqueId;
  ring: Ring;

  constructor(emit: (event: MachineEvent) => void, technique: TechniqueId, ring: Ring) {
    let next = 0x8000;
    const take = (bytes: number): number => {
      const at = next;
      next = Math.ceil((next + bytes) / 64) * 64;
      return at;
    };
    this.layout = {
      truth: take(TRUTH_BYTES), codeWindow: take(CODE_WINDOW_BYTES), stats: take(STATS_BYTES), trapRing: take(TRAP_RING_BYTES), trapSites: take(SITE_TABLE_BYTES),
      registers: take(REGISTER_TRACE_BYTES), screen: take(SCREEN_BYTES), sound: take(SOUND_BYTES), ram: { base: take(1 << 20), bytes: 1 << 20 },
    };
    this.buffer = new SharedArrayBuffer(next);
    new SoundWriter(this.buffer, this.layout.sound);
    this.view = new DataView(this.buffer);
    this.counters = new Counters(this.buffer, this.layout.stats);
    this.log = new TrapLog({ buffer: this.buffer, ringBase: this.layout.trapRing, siteBase: this.layout.trapSites }, this.counters, (code, offset, available, code32) => {
      const found = explainInstruction(code.subarray(offset, offset + available), 0, code32);
      return { length: found?.bytes.length ?? 1, mnemonicId: this.counters.mnemonicId(found?.mnemonic ?? "?") };
    });
    this.screen = new ScreenWriter(this.buffer, this.layout.screen);
    this.emit = emit;
    this.technique = technique;
    this.ring = ring;
    this.attach();
    this.registers();
    this.draw();
  }

  attach(): void {
    this.counters.set("attached", this.technique === "emulate" ? 0 : 1);
  }

  private draw(): void {
    this.screen.text({ columns: 80, rows: 25, cursor: { row: 3, column: 2 }, blink: true }, (cells) => {
      cells.fill(0x0720);
      const write = (row: number, text: string, attribute: number): void => [...text].forEach((char, at) => (cells[row * 80 + at] = (attribute << 8) | char.charCodeAt(0)));
      write(0, " trapscope BIOS ", 0x1f);
      write(1, `Memory 1024 KB   instructions ${this.icount}`, 0x07);
      write(2, "Boot from floppy A", 0x0a);
      write(3, "A:", 0x07);
    });
  }

  private registers(): void {
    const { view } = this;
    for (let i = 0; i < 8; i++) view.setUint32(GPR_BASE + i * 4, (this.icount * (i + 3)) >>> 0, true);
    view.setUint32(EIP.offset, SITES[this.turn % SITES.length].eip, true);
    view.setUint32(FLAG_RESULT.offset, this.icount & 1, true);
    for (const [context, hardware] of [[CONTEXT_V, false], [CONTEXT_H, true]] as const) {
      for (let segment = 0; segment < 6; segment++) {
        const at = context + segment * SEGMENT_STRIDE;
        const code = segment === 1;
        view.setUint32(at, (code ? 0x60 : 0x68) | (hardware && (code || segment === 2) ? this.ring : 0), true);
        view.setUint32(at + 8, hardware ? 0xffbfffff : 0xffffffff, true);
        view.setUint32(at + 12, (code ? 0xc09b : 0xc093) | (hardware ? this.ring << 5 : 0), true);
      }
      view.setUint32(context + CPL.offset, hardware ? this.ring : 0, true);
      view.setUint32(context + EFLAGS_SYSTEM.offset, hardware ? 0x200 : 0, true);
      view.setUint32(context + CR0.offset, hardware ? 0x80010031 : 0x80010011, true);
      view.setUint32(context + CR3.offset, hardware ? 0x09000000 : 0x00101000, true);
      view.setUint32(context + GDTR_BASE.offset, hardware ? 0xff801000 : 0xc0107c40, true);
      view.setUint32(context + GDTR_LIMIT.offset, hardware ? 0x7ff : 0x37, true);
      view.setUint32(context + IDTR_BASE.offset, hardware ? 0xff800000 : 0xc0107000, true);
      view.setUint32(context + IDTR_LIMIT.offset, 0x7ff, true);
    }
    writeCodeWindow(view, this.layout.codeWindow, {
      linear: 0xc0101000, eip: 0xc0101000, code32: true,
      bytes: Uint8Array.from([0xfa, 0x9c, 0x5b, 0x8b, 0x45, 0x08, 0x0f, 0x01, 0x05, 0x40, 0x7c, 0x10, 0xc0, 0x9d, 0xcf, 0x90, ...new Array<number>(16).fill(0x90)]),
    });
  }

  private event(): void {
    const site = SITES[this.turn++ % SITES.length];
    const bare = this.technique === "emulate";
    const timeNs = this.icount * 20;
    const index = this.log.site(site.eip, site.eip, 0x60, bare ? BARE : PM32, Uint8Array.from(site.bytes), 0, site.bytes.length);
    this.icount += 40;
    if (bare) {
      if (site.kind !== "irq" && site.action !== "shadow-fill") this.log.observed(index, this.icount, timeNs, ACTIONS.native, 0, site.b);
    } else if (site.kind === "leak") this.log.leak(index, this.icount, timeNs, ACTIONS[site.action], 0, site.a, site.b);
    else {
      const reason = site.kind === "irq" ? REASON_IRQ : site.action === "shadow-fill" ? 14 : 13;
      this.log.exit({ site: index, icount: this.icount, timeNs, reason, action: ACTIONS[site.action], flags: 0, a: site.a, b: site.b });
    }
  }

  private slice(events: number): void {
    for (let i = 0; i < events; i++) this.event();
    this.log.publish();
    this.counters.set("instructions", this.icount);
    this.counters.set("guestNs", this.icount * 20);
    this.counters.add("runNs", 16e6);
    this.counters.add("monitorNs", 5e6);
    this.registers();
    this.draw();
  }

  run(events: number): void {
    clearInterval(this.timer);
    this.emit({ type: "state", state: { kind: "running" } });
    this.timer = setInterval(() => this.slice(events), 16);
  }

  pause(why: "user" | "step" | "trap"): void {
    clearInterval(this.timer);
    this.emit({ type: "state", state: { kind: "paused", why } });
  }

  step(why: "step" | "trap"): void {
    this.slice(1);
    this.pause(why);
  }

  halt(): void {
    clearInterval(this.timer);
    this.emit({ type: "state", state: { kind: "ended", outcome: "halted", reason: "HLT with IF=0", eip: 0xc0101060 } });
  }
}

/** `events` sites a 16 ms slice. */
export function openDemoClient(events: number): OpenClient {
  return (onEvent) => {
    let machine: DemoMachine | null = null;
    const emit = (event: MachineEvent): void => queueMicrotask(() => onEvent(event));
    emit({ type: "hello", techniques: ["emulate", "trap"] });
    const text = (value: string): void => emit({ type: "serial", port: 0, bytes: new TextEncoder().encode(value) });
    const handle = (command: Command): void => {
      switch (command.type) {
        case "identify": {
          const { data, name } = command.medium;
          return emit({ type: "identified", id: command.id, info: describe(name, data instanceof Uint8Array ? data.length : data.size), uses: [] });
        }
        case "create": {
          const { technique, ring, set } = command.config;
          machine?.pause("user");
          machine = new DemoMachine(emit, technique, ring);
          emit({ type: "ready", buffer: machine.buffer, layout: machine.layout, technique, ring, set });
          return text("\x1b[1mtrapscope demo\x1b[0m: nothing is executed here\r\nlogin: root\r\n# ");
        }
        case "run": return machine?.run(events);
        case "pause": return machine?.pause("user");
        case "step": return machine?.step("step");
        case "stepToNextTrap": return machine?.step("trap");
        case "setTechnique": {
          if (!machine) return;
          machine.technique = command.technique;
          machine.ring = command.ring;
          machine.attach();
          return emit({ type: "techniqueChanged", technique: command.technique, ring: command.ring, set: command.set });
        }
        case "serialInput": {
          const typed = new TextDecoder().decode(command.bytes);
          if (typed === "h") return machine?.halt();
          return text(typed === "\r" ? "\r\n# " : typed);
        }
        default: return undefined;
      }
    };
    return { send: handle, close: () => machine?.pause("user") };
  };
}
