// Does the guest act on what leaked to it? From a leak on, the guest is foretold twice: as it will run, and as it would run if it
// had got what bare metal gives. When the two go different ways, the leak has mattered, and where they part is known. Nothing
// of the guest is touched: both are runs of the plain back-end over copies of its registers and over memory that remembers its stores.
//
// Not implemented: looking past an instruction that needs the machine (ports, segment loads, tables), and further than HORIZON.

import type { Cpu } from "../../cpu/cpu.ts";
import { getStatus } from "../../cpu/eflags.ts";
import { createDecoded, type Decoder } from "../../isa/decoder.ts";
import { createEvaluator, type Evaluator } from "../../isa/evaluator.ts";
import {
  CONTEXT_BYTES, CONTEXT_H, CONTEXT_V, CS, EFLAGS_ZF, EIP, GPR_BASE, SEG_ACCESS, SEG_BASE, SEGMENT_STRIDE,
} from "../../isa/state-layout.ts";
import { peekByte } from "./peek.ts";

/** Instructions that are foretold. */
export const HORIZON = 64;
const MAXIMUM_LENGTH = 15;
const STATE_BYTES = CONTEXT_H + CONTEXT_BYTES;
const ACCESS_CODE32 = 1 << 14;

/** Where the leaked value is. */
export type LeakPlace =
  | { readonly kind: "memory"; readonly linear: number; readonly width: number }
  | { readonly kind: "register"; readonly number: number; readonly width: number }
  | { readonly kind: "zf" };

export interface Parting {
  /** EIP of the instruction that went another way. */
  readonly eip: number;
  /** Instructions after the leak, that one included. */
  readonly distance: number;
}

/** The guest came to something that only the machine can do. */
class Beyond extends Error {}

class World {
  readonly state = new DataView(new ArrayBuffer(STATE_BYTES));
  private readonly stored = new Map<number, number>();
  private readonly evaluator: Evaluator;
  private readonly cpu: Cpu;
  private readonly decoder: Decoder;
  private readonly context: number;
  private readonly decoded = createDecoded();
  private readonly code = new Uint8Array(MAXIMUM_LENGTH);

  constructor(cpu: Cpu, decoder: Decoder, eip: number) {
    this.cpu = cpu;
    this.decoder = decoder;
    this.context = cpu.context.isHardware ? CONTEXT_H : CONTEXT_V;
    new Uint8Array(this.state.buffer).set(cpu.state.u8.subarray(0, STATE_BYTES));
    this.state.setInt32(EIP.offset, eip, true);
    this.evaluator = createEvaluator({
      state: this.state,
      context: this.context,
      memory: { read: (linear) => this.read(linear), write: (linear, byte) => void this.stored.set(linear >>> 0, byte) },
      helper: (name) => {
        // The flag that they change is the monitor's business; what follows does not depend on it.
        if (name !== "clearInterruptFlag" && name !== "setInterruptFlag") throw new Beyond(name);
        return 0;
      },
    });
  }

  get eip(): number {
    return this.state.getInt32(EIP.offset, true);
  }

  set(place: LeakPlace, value: number): void {
    switch (place.kind) {
      case "memory":
        for (let i = 0; i < place.width; i++) this.stored.set((place.linear + i) >>> 0, (value >>> (8 * i)) & 0xff);
        return;
      case "register": {
        const at = GPR_BASE + place.number * 4;
        if (place.width === 2) this.state.setUint16(at, value & 0xffff, true);
        else this.state.setInt32(at, value, true);
        return;
      }
      case "zf": {
        const flags = getStatus(this.cpu.state);
        this.evaluator.builder.setStatusFlags((flags & ~EFLAGS_ZF) | (value & EFLAGS_ZF));
      }
    }
  }

  private read(linear: number): number {
    const stored = this.stored.get(linear >>> 0);
    if (stored !== undefined) return stored;
    const byte = peekByte(this.cpu, linear | 0);
    if (byte < 0) throw new Beyond("a device, or nothing");
    return byte;
  }

  /** One whole instruction; false where it faults. */
  step(): boolean {
    const at = this.eip;
    const cs = this.context + CS * SEGMENT_STRIDE;
    const linear = (this.state.getInt32(cs + SEG_BASE, true) + at) | 0;
    for (let i = 0; i < MAXIMUM_LENGTH; i++) this.code[i] = this.read((linear + i) | 0);
    const code32 = (this.state.getInt32(cs + SEG_ACCESS, true) & ACCESS_CODE32) !== 0;
    const length = this.decoder.decodeBytes(this.code, 0, MAXIMUM_LENGTH, code32, this.decoded);
    if (length < 1 || length > MAXIMUM_LENGTH || this.decoded.row === null) return false;
    const { fault, suspended } = this.evaluator.step(this.decoded, at);
    return fault === null && !suspended;
  }
}

/**
 * Where the guest goes another way than it would with `expected` at `place`, within HORIZON instructions from `eip` on; null:
 * nowhere that could be foretold.
 */
export function parting(cpu: Cpu, decoder: Decoder, eip: number, place: LeakPlace, expected: number): Parting | null {
  const here = new World(cpu, decoder, eip), metal = new World(cpu, decoder, eip);
  metal.set(place, expected);
  try {
    for (let distance = 1; distance <= HORIZON; distance++) {
      const at = here.eip;
      const goesOn = here.step();
      if (metal.step() !== goesOn || here.eip !== metal.eip) return { eip: at >>> 0, distance };
      if (!goesOn) return null;
    }
  } catch (error) {
    if (!(error instanceof Beyond)) throw error;
  }
  return null;
}
