// A machine without firmware that runs one small guest of trap-guest.ts after another.
import { CR0_NE } from "../../src/cpu/control-bits.ts";
import { setGuestRegisters } from "../../src/machine/guest-registers.ts";
import { Machine } from "../../src/machine/machine.ts";
import type { TechniqueId } from "../../src/protocol/technique.ts";
import { type Counted, countsOf } from "./guest-run.ts";
import { assemble, CODE_AT, END_PORT, GDT_AT, IDT_AT, LDT_AT, STACK, type Step, surroundings, TSS_AT } from "./trap-guest.ts";
import { KERNEL_CODE, KERNEL_DATA, LDT, type ModelOptions, TSS } from "./trap-model.ts";

export interface SmallGuest {
  readonly options: ModelOptions;
  /** Flags that the guest begins with. */
  readonly start: { readonly if: boolean; readonly iopl: number };
  readonly steps: readonly Step[];
}

const LIMIT = 20_000;

export class TrapBench {
  readonly machine = new Machine({ memoryBytes: 1 << 20, technique: "trap", ring: 1, set: {}, clock: "virtual", drives: {}, checks: true });

  constructor() {
    this.machine.pc.io.attach(END_PORT, END_PORT, { read: () => 0xff, write: () => this.machine.stop() });
  }

  /** Puts the guest into memory, with its code patched if asked for, and its processor at the start. */
  boot({ options, start, steps }: SmallGuest, technique: TechniqueId = "trap", patch: (code: Uint8Array) => void = () => {}): void {
    const { machine } = this;
    const { mode, ring, umip, tsd, tricks, vme } = options;
    machine.supervisor.change(technique, ring, { umip, tsd, tricks, vme });
    machine.reset();
    const code = assemble(mode, steps);
    patch(code);
    for (const [address, bytes] of [...surroundings(mode), [CODE_AT, code] as const]) machine.physical.writeBytes(address, bytes);
    const ne = options.ne ? CR0_NE : 0;
    const common = { eip: CODE_AT, esp: STACK, eflags: 2 | (start.if ? 0x200 : 0) | (start.iopl << 12), cpl: 0 };
    if (mode === "real") {
      const segment = { selector: 0, base: 0, limit: 0xffff, access: 0x93 };
      setGuestRegisters(machine, { ...common, cs: segment, ss: segment, ds: segment, es: segment, fs: segment, gs: segment, cr0: 0x10 | ne, idtr: { base: 0, limit: 0x3ff } });
      return;
    }
    const data = { selector: KERNEL_DATA, base: 0, limit: 0xffff_ffff, access: 0xc093 };
    const cs = { selector: KERNEL_CODE, base: 0, limit: 0xffff_ffff, access: mode === "pm32" ? 0xc09b : 0x809b };
    setGuestRegisters(machine, {
      ...common, cs, ss: data, ds: data, es: data, fs: data, gs: data, cr0: 0x11 | ne,
      gdtr: { base: GDT_AT, limit: 0x3f }, idtr: { base: IDT_AT, limit: 0x7ff }, tr: { selector: TSS, base: TSS_AT, limit: 103, access: 0x8b },
      ldtr: options.ldt ? { selector: LDT, base: LDT_AT, limit: 7, access: 0x82 } : { selector: 0, base: 0, limit: 0, access: 0x1_0000 },
    });
  }

  /** Runs what was booted to its end. Throws where it does not come there, or where records and exits differ. */
  run(): Counted {
    const { machine } = this;
    const reason = machine.run(LIMIT);
    if (reason !== "break") throw new Error(`it ended with ${reason} at ${(machine.cpu.state.eip >>> 0).toString(16)}`);
    const counts = countsOf(machine);
    const records = [counts.traps, counts.callouts].flatMap(({ byInstruction }) => Object.values(byInstruction)).reduce((sum, n) => sum + n, 0);
    if (machine.cpu.exitCount !== records) throw new Error(`${records} records of ${machine.cpu.exitCount} exits`);
    return counts;
  }
}
