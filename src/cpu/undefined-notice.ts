// Tells of each encoding that the guest executed and that the processor model does not have, once: a guest that needs a later processor,
// or code that ran away, shows itself. The guest is given #UD as on silicon.

import { createDecoded, MAX_LENGTH, NEEDS_MORE_BYTES, type Decoder } from "../isa/decoder.ts";
import { TOO_LONG } from "../isa/decoded.ts";
import { CS, MODE, MODE_CODE32 } from "../isa/state-layout.ts";
import type { Cpu } from "./cpu.ts";

const PAGE = 4096;
/** A guest that tries them all is not to fill the screen. */
const MOST = 20;
const SHOWN = 8;

export class UndefinedNotice {
  private readonly cpu: Cpu;
  private readonly decoder: Decoder;
  private readonly decoded = createDecoded();
  private readonly told = new Set<string>();

  constructor(cpu: Cpu, decoder: Decoder) {
    this.cpu = cpu;
    this.decoder = decoder;
  }

  /** CS:EIP has just been fetched and is undefined. */
  look(): void {
    if (this.told.size >= MOST) return;
    const { cpu, decoded } = this;
    const { context, state } = cpu;
    const linear = (context.segmentBase(CS) + state.eip) >>> 0;
    const entry = cpu.tlb.code(linear >>> 12);
    const host = entry === 0 ? 0 : cpu.physical.hostPage(entry >>> 12);
    if (host === 0) return;
    const at = host + (linear & (PAGE - 1)), end = Math.min(at + MAX_LENGTH, host + PAGE);
    const length = this.decoder.decodeBytes(state.u8, at, end, (context.get(MODE) & MODE_CODE32) !== 0, decoded);
    // LOCK may be all that is wrong.
    if (length !== NEEDS_MORE_BYTES && length !== TOO_LONG && decoded.row !== null) return;
    const bytes = Array.from(state.u8.subarray(at, Math.min(at + SHOWN, end)), (byte) => byte.toString(16).padStart(2, "0"));
    const opcode = bytes.slice(bytes.findIndex((byte) => !/^([236][6e]|6[457]|f[023])$/.test(byte)));
    const key = opcode.slice(0, opcode[0] !== "0f" ? 1 : opcode[1] === "38" || opcode[1] === "3a" ? 3 : 2).join();
    if (this.told.has(key)) return;
    this.told.add(key);
    const place = `${context.selector(CS).toString(16)}:${(state.eip >>> 0).toString(16)}`;
    cpu.hooks.notice(`The guest executed ${bytes.join(" ")} at ${place}: not an instruction of the ${cpu.model.title}.`);
  }
}
