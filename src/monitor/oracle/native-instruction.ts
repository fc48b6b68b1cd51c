// The sensitive instruction that the silicon runs by itself: where it is, its operands, its stack. Read before it runs, and
// once more after it.

import type { Cpu } from "../../cpu/cpu.ts";
import type { Decoded } from "../../isa/decoded.ts";
import { createDecoded, type Decoder } from "../../isa/decoder.ts";
import { resolveOperand } from "../../isa/operand-location.ts";
import { R_OFFSET } from "../../isa/record-layout.ts";
import type { Row } from "../../isa/row.ts";
import { CPL, CR0, CS, EFLAGS_SYSTEM, EFLAGS_VM, EFLAGS_ZF, EIP_BASE, ESP, RECORD } from "../../isa/state-layout.ts";
import { packMode } from "../../protocol/trap-record.ts";
import { GuestCode } from "../guest-code.ts";
import { operandAddress, stackAddress } from "../guest-operand.ts";
import type { TrapLog } from "../trap-log.ts";
import { peek } from "./peek.ts";
import type { LeakPlace } from "./two-worlds.ts";

const ACCESS_CODE32 = 1 << 14;
const CR0_PE = 1;

export class NativeInstruction {
  private readonly cpu: Cpu;
  private readonly code: GuestCode;
  private decoded: Decoded = createDecoded();
  private linear = 0;
  private selector = 0;
  private mode = 0;
  eip = 0;

  constructor(cpu: Cpu, decoder: Decoder) {
    this.cpu = cpu;
    this.code = new GuestCode(cpu, decoder);
  }

  /** Reads the instruction whose record is about to run in the active context. */
  read(): void {
    const { state } = this.cpu;
    this.readAt((state.read(EIP_BASE) + state.view.getUint16(state.read(RECORD) + R_OFFSET, true)) | 0);
  }

  /** Reads the one at `eip`. */
  readAt(eip: number): void {
    const { cpu } = this;
    const { context } = cpu;
    const v = cpu.v.context;
    this.eip = eip;
    this.linear = (context.segmentBase(CS) + this.eip) | 0;
    this.selector = v.selector(CS);
    const code32 = (context.segmentAccess(CS) & ACCESS_CODE32) !== 0;
    this.mode = packMode(v.get(CPL), context.get(CPL), (v.get(EFLAGS_SYSTEM) & EFLAGS_VM) !== 0, (v.get(CR0) & CR0_PE) !== 0, code32);
    this.code.fetch(this.linear, context.isHardware ? cpu.h : cpu.v);
    this.decoded = this.code.decode(code32)!;
  }

  /** Its site in the trap log. */
  site(log: TrapLog): number {
    return log.site(this.linear >>> 0, this.eip >>> 0, this.selector, this.mode, this.code.bytes, 0, this.code.available);
  }

  /** CS:EIP for a person. */
  get place(): string {
    return `${this.selector.toString(16).padStart(4, "0")}:${(this.eip >>> 0).toString(16).padStart(8, "0")}`;
  }

  get row(): Row | null {
    return this.decoded.row;
  }
  get nextEip(): number {
    return (this.eip + this.decoded.length) | 0;
  }
  get operandSize(): number {
    return this.decoded.operandSize;
  }

  /** 0 where it has none. */
  get immediate(): number {
    return this.decoded.row!.operands.length > 0 ? this.decoded.immediate : 0;
  }

  /** Stack item `nth` from the top, in operand-size words. `pointer`: ESP at the time in question. */
  stack(nth: number, pointer: number = this.cpu.state.gpr(ESP)): number {
    const { context, state } = this.cpu;
    const size = this.decoded.operandSize;
    return peek(this.cpu, context, stackAddress(state, context, nth * size, pointer), size);
  }

  /** Linear address of the memory operand. */
  address(): number {
    return operandAddress(this.cpu.state, this.cpu.context, this.decoded);
  }

  /** Linear address of the stack item on top. */
  stackTop(): number {
    return stackAddress(this.cpu.state, this.cpu.context, 0);
  }

  memory(linear: number, width: number): number {
    return peek(this.cpu, this.cpu.context, linear, width);
  }

  /** Present value of operand `nth`: a register or memory. */
  operand(nth: number, width?: number): number {
    const { state, context } = this.cpu;
    const operand = resolveOperand(this.decoded.row!.operands[nth]!, this.decoded);
    const bytes = width ?? operand.width;
    if (operand.kind === "mem") return this.memory(this.address(), bytes);
    if (operand.kind === "segment") return context.selector(operand.number);
    return bytes === 4 ? state.gpr(operand.number) : state.register(operand.number, bytes);
  }

  operandBytes(nth: number): number {
    return resolveOperand(this.decoded.row!.operands[nth]!, this.decoded).width;
  }

  /** Where operand `nth` is, a register or memory. */
  private operandPlace(nth: number, width?: number): LeakPlace {
    const operand = resolveOperand(this.decoded.row!.operands[nth]!, this.decoded);
    const bytes = width ?? operand.width;
    if (operand.kind === "mem") return { kind: "memory", linear: this.address(), width: bytes };
    return { kind: "register", number: operand.number, width: bytes };
  }

  /** Where the guest got `observed` in place of `expected`; null where what it does with it is not to be foretold. */
  leakPlace(mnemonic: string, observed: number, expected: number): LeakPlace | null {
    switch (mnemonic) {
      case "PUSHF": return { kind: "memory", linear: this.stackTop(), width: this.operandSize };
      case "PUSH": return { kind: "memory", linear: this.stackTop(), width: 2 };
      case "MOV": case "SLDT": case "STR": return this.operandPlace(0, 2);
      case "SMSW": return this.operandPlace(0);
      case "SGDT": case "SIDT": {
        const base = (this.address() + 2) | 0;
        return this.memory(base, 4) === observed ? { kind: "memory", linear: base, width: 4 } : { kind: "memory", linear: this.address(), width: 2 };
      }
      case "VERR": case "VERW": return { kind: "zf" };
      case "LAR": case "LSL": return (observed ^ expected) === EFLAGS_ZF ? { kind: "zf" } : this.operandPlace(0);
      default: return null;
    }
  }

  /** Number of the segment register that operand `nth` names. */
  segment(nth: number): number {
    return resolveOperand(this.decoded.row!.operands[nth]!, this.decoded).number;
  }
}
