// Local APIC of the processor: who interrupts it, and when; a timer; interrupts that the processor sends itself.
//
// Manual: Intel SDM Vol. 3A, "Advanced Programmable Interrupt Controller (APIC)", as of the Pentium 4 (xAPIC).
// The pins: LINT0 carries the 8259's INTR, LINT1 nothing. With the APIC globally disabled LINT0 is the INTR pin itself.
//
// Deviation: after reset LINT0 is open as ExtINT and LINT1 as NMI, "virtual wire mode", which on hardware the BIOS sets up; so a BIOS
// that knows no APIC works. Disabling the APIC globally and enabling it again resets it, whatever the model.
// Not implemented: SMI, INIT and start-up messages (there is one processor and no SMM), performance counter and thermal interrupts
// (their LVT entries are kept), arbitration priority (reads as PPR), x2APIC mode, TSC-deadline mode. RAM wins where the base is moved below its end.

import { allOnes } from "./bus.ts";
import type { Clock, Device, DeviceState, Line, Region, Timer } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";

const LOCAL_APIC_BASE = 0xfee0_0000;
export const LOCAL_APIC_BYTES = 0x1000;
/** IA32_APIC_BASE: this is the bootstrap processor; the APIC is on. */
const BASE_BSP = 0x100, BASE_ENABLE = 0x800;
const BASE_RESET = LOCAL_APIC_BASE + BASE_BSP + BASE_ENABLE;

/** The timer's clock before it is divided: that of the front side bus. */
export const APIC_TIMER_HZ = 100e6;
const NS_PER_BUS_CLOCK = 1e9 / APIC_TIMER_HZ;

/** Six LVT entries; a version of the xAPIC. */
const VERSION = 0x0005_0014;

export const DELIVERY_FIXED = 0, DELIVERY_LOWEST = 1, DELIVERY_NMI = 4, DELIVERY_EXTINT = 7;
/** A vector, how it is delivered, to whom, and what caused it. */
export interface ApicMessage {
  readonly vector: number;
  readonly delivery: number;
  readonly logical: boolean;
  readonly destination: number;
  readonly level: boolean;
}

const ID = 0x02, VERSION_REGISTER = 0x03, TPR = 0x08, APR = 0x09, PPR = 0x0a, EOI = 0x0b, LDR = 0x0d, DFR = 0x0e, SVR = 0x0f;
const ISR = 0x10, TMR = 0x18, IRR = 0x20, ESR = 0x28, ICR_LOW = 0x30, ICR_HIGH = 0x31, LVT = 0x32, INITIAL_COUNT = 0x38, CURRENT_COUNT = 0x39, DIVIDE = 0x3e;

const SVR_ENABLE = 0x100, SVR_WRITABLE = 0x3ff;
const BROADCAST = 0xff;

/** LVT entries in the order of their registers, and the bits that each has. */
const LVT_TIMER = 0, LVT_LINT0 = 3, LVT_ERROR = 5;
const LVT_WRITABLE: readonly number[] = [0x3_00ff, 0x1_07ff, 0x1_07ff, 0x1_a7ff, 0x1_a7ff, 0x1_00ff];
const LVT_MASKED = 0x1_0000, LVT_PERIODIC = 0x2_0000, LVT_LEVEL = 0x8000, LVT_REMOTE_IRR = 0x4000;

const ICR_WRITABLE = 0xc_cfff, ICR_LOGICAL = 0x800, ICR_ASSERT = 0x4000;
const SHORTHAND_NONE = 0, SHORTHAND_ALL_BUT_SELF = 3;

const ERROR_SEND_VECTOR = 0x20, ERROR_RECEIVE_VECTOR = 0x40, ERROR_REGISTER = 0x80;
/** Vectors below belong to exceptions. */
const FIRST_VECTOR = 16;

function powerOn() {
  return {
    base: BASE_RESET,
    id: 0,
    tpr: 0,
    ldr: 0,
    dfr: 0xffff_ffff,
    svr: 0xff,
    isr: new Uint8Array(32),
    tmr: new Uint8Array(32),
    irr: new Uint8Array(32),
    errors: 0,
    esr: 0,
    icrLow: 0,
    icrHigh: 0,
    lvt: [LVT_MASKED, LVT_MASKED, LVT_MASKED, DELIVERY_EXTINT << 8, DELIVERY_NMI << 8, LVT_MASKED],
    initialCount: 0,
    divide: 0,
    /** When the count of this loading began. */
    startNs: 0,
    lint0: false,
  };
}

export interface LocalApicWiring {
  readonly clock: Clock;
  /** INTR of the processor core. */
  readonly intr: Line;
  /** An edge on its NMI. */
  readonly nmi: () => void;
  /** The controller behind LINT0 gives its vector. */
  readonly acknowledgeExternal: () => number;
  /** A level-triggered vector was ended: the I/O APIC hears of it. */
  readonly endOfInterrupt: (vector: number) => void;
  /** Lays the registers over memory. */
  readonly place: (base: number | null) => void;
}

export class LocalApic implements Device {
  readonly id = "local-apic";
  /** 4 KB. */
  readonly region: Region;
  private r = powerOn();
  private readonly wiring: LocalApicWiring;
  private readonly timer: Timer;
  private intrLevel = false;

  constructor(wiring: LocalApicWiring) {
    this.wiring = wiring;
    this.timer = wiring.clock.timer(() => this.timerExpired());
    this.region = {
      // Registers are doublewords at every sixteenth byte; a narrower read sees its part of one.
      read: (offset, width) => (((offset & 12) === 0 ? this.read(offset >> 4) : 0) >>> (8 * (offset & 3)) & allOnes(width)) >>> 0,
      write: (offset, width, value) => {
        if ((offset & 15) === 0 && width === 4) this.write(offset >> 4, value);
      },
    };
  }

  reset(): void {
    const { lint0 } = this.r;
    this.r = { ...powerOn(), lint0 };
    this.timer.cancel();
    this.wiring.place(LOCAL_APIC_BASE);
    this.update();
  }

  save(): DeviceState {
    return copyState(this.r);
  }

  load(state: DeviceState): void {
    this.r = checkedState(this.id, powerOn(), state);
    this.wiring.place(this.enabled ? this.baseAddress : null);
    this.update();
    this.schedule();
  }

  // --- IA32_APIC_BASE

  get base(): number {
    return this.r.base;
  }

  /** The low half of the register; false where a reserved bit is set, which faults. */
  setBase(value: number): boolean {
    const low = value >>> 0;
    if ((low & 0x6ff) !== 0) return false;
    const { lint0 } = this.r;
    const before = this.r.base;
    const base = (low | BASE_BSP) >>> 0;
    if ((base & BASE_ENABLE) === 0) {
      this.r = { ...powerOn(), lint0 };
      this.timer.cancel();
    }
    this.r.base = base;
    if (base !== before) this.wiring.place(this.enabled ? this.baseAddress : null);
    this.update();
    return true;
  }

  /** Globally, by IA32_APIC_BASE: CPUID reports an APIC only then. */
  get enabled(): boolean {
    return (this.r.base & BASE_ENABLE) !== 0;
  }

  private get baseAddress(): number {
    return (this.r.base & ~0xfff) >>> 0;
  }

  private get softwareEnabled(): boolean {
    return this.enabled && (this.r.svr & SVR_ENABLE) !== 0;
  }

  // --- interrupts that arrive

  /** The LINT0 pin. */
  readonly lint0: Line = {
    set: (level) => {
      if (level === this.r.lint0) return;
      this.r.lint0 = level;
      if (level && this.enabled) this.lint0Rose();
      this.update();
    },
  };

  private lint0Rose(): void {
    const entry = this.r.lvt[LVT_LINT0]!;
    if ((entry & LVT_MASKED) !== 0) return;
    switch ((entry >> 8) & 7) {
      case DELIVERY_FIXED:
        if ((entry & LVT_LEVEL) !== 0) this.r.lvt[LVT_LINT0] = entry | LVT_REMOTE_IRR;
        this.request(entry & 0xff, (entry & LVT_LEVEL) !== 0);
        break;
      case DELIVERY_NMI:
        this.wiring.nmi();
    }
  }

  /** A message of the I/O APIC or of this APIC itself. False: it is not for this processor. */
  accept(message: ApicMessage): boolean {
    if (!this.enabled || !this.addressed(message)) return false;
    switch (message.delivery) {
      case DELIVERY_FIXED: case DELIVERY_LOWEST:
        if (!this.softwareEnabled) return false;
        this.request(message.vector, message.level);
        this.update();
        return true;
      case DELIVERY_NMI:
        this.wiring.nmi();
        return true;
      default:
        return false;
    }
  }

  private addressed({ logical, destination }: ApicMessage): boolean {
    if (destination === BROADCAST) return true;
    if (!logical) return destination === this.r.id >>> 24;
    const ldr = this.r.ldr >>> 24;
    if (this.r.dfr >>> 28 === 0xf) return (ldr & destination) !== 0;
    return (ldr & 0xf0) === (destination & 0xf0) && (ldr & destination & 0x0f) !== 0;
  }

  private request(vector: number, level: boolean): void {
    if (vector < FIRST_VECTOR) {
      this.error(ERROR_RECEIVE_VECTOR);
      return;
    }
    const at = vector >> 3, bit = 1 << (vector & 7);
    this.r.irr[at]! |= bit;
    if (level) this.r.tmr[at]! |= bit;
    else this.r.tmr[at]! &= ~bit;
  }

  private error(bit: number): void {
    this.r.errors |= bit;
    const entry = this.r.lvt[LVT_ERROR]!;
    // An error interrupt with an illegal vector must not cause another one.
    if ((entry & LVT_MASKED) === 0 && (entry & 0xff) >= FIRST_VECTOR) this.request(entry & 0xff, false);
  }

  // --- what the processor is told

  private get processorPriority(): number {
    const inService = highestBit(this.r.isr);
    return this.r.tpr >> 4 >= inService >> 4 ? this.r.tpr : inService & 0xf0;
  }

  /** The vector that would be delivered now, or -1. */
  private deliverable(): number {
    const vector = highestBit(this.r.irr);
    return vector >= 0 && this.softwareEnabled && vector >> 4 > this.processorPriority >> 4 ? vector : -1;
  }

  /** Something asks for an interrupt. It need not come: another in service or the task priority may hold it up. */
  get requested(): boolean {
    return this.softwareEnabled && highestBit(this.r.irr) >= 0;
  }

  private get external(): boolean {
    if (!this.r.lint0) return false;
    const entry = this.r.lvt[LVT_LINT0]!;
    return !this.enabled || ((entry & LVT_MASKED) === 0 && ((entry >> 8) & 7) === DELIVERY_EXTINT);
  }

  private update(): void {
    const level = this.deliverable() >= 0 || this.external;
    if (level === this.intrLevel) return;
    this.intrLevel = level;
    this.wiring.intr.set(level);
  }

  /** The processor takes an interrupt. */
  acknowledge(): number {
    const vector = this.deliverable();
    if (vector >= 0) {
      const at = vector >> 3, bit = 1 << (vector & 7);
      this.r.irr[at]! &= ~bit;
      this.r.isr[at]! |= bit;
      this.update();
      return vector;
    }
    if (this.external) return this.wiring.acknowledgeExternal();
    return this.r.svr & 0xff;
  }

  private endOfInterrupt(): void {
    const vector = highestBit(this.r.isr);
    if (vector < 0) return;
    const at = vector >> 3, bit = 1 << (vector & 7);
    this.r.isr[at]! &= ~bit;
    if ((this.r.tmr[at]! & bit) !== 0) {
      this.endLint0(vector);
      this.wiring.endOfInterrupt(vector);
    }
    this.update();
  }

  private endLint0(vector: number): void {
    const entry = this.r.lvt[LVT_LINT0]!;
    if ((entry & LVT_REMOTE_IRR) === 0 || (entry & 0xff) !== vector) return;
    this.r.lvt[LVT_LINT0] = entry & ~LVT_REMOTE_IRR;
    if (this.r.lint0) this.lint0Rose();
  }

  // --- registers, by their number

  private read(register: number): number {
    const { r } = this;
    switch (register) {
      case ID: return r.id;
      case VERSION_REGISTER: return VERSION;
      case TPR: return r.tpr;
      case APR: case PPR: return this.processorPriority;
      case EOI: return 0;
      case LDR: return r.ldr;
      case DFR: return r.dfr;
      case SVR: return r.svr;
      case ESR: return r.esr;
      case ICR_LOW: return r.icrLow;
      case ICR_HIGH: return r.icrHigh;
      case INITIAL_COUNT: return r.initialCount;
      case CURRENT_COUNT: return this.currentCount();
      case DIVIDE: return r.divide;
    }
    if (register >= ISR && register < ISR + 8) return dword(r.isr, register - ISR);
    if (register >= TMR && register < TMR + 8) return dword(r.tmr, register - TMR);
    if (register >= IRR && register < IRR + 8) return dword(r.irr, register - IRR);
    const entry = r.lvt[register - LVT];
    if (entry !== undefined) return entry;
    this.error(ERROR_REGISTER);
    return 0;
  }

  private write(register: number, value: number): void {
    const { r } = this;
    switch (register) {
      case ID: r.id = (value & 0xff00_0000) >>> 0; break;
      case TPR: r.tpr = value & 0xff; break;
      case EOI: this.endOfInterrupt(); return;
      case LDR: r.ldr = (value & 0xff00_0000) >>> 0; break;
      case DFR: r.dfr = (value | 0x0fff_ffff) >>> 0; break;
      case SVR: this.writeSpurious(value); break;
      case ESR:
        r.esr = r.errors;
        r.errors = 0;
        break;
      case ICR_LOW:
        r.icrLow = value & ICR_WRITABLE;
        this.send();
        break;
      case ICR_HIGH: r.icrHigh = (value & 0xff00_0000) >>> 0; break;
      case INITIAL_COUNT:
        r.initialCount = value;
        r.startNs = this.wiring.clock.nowNs();
        this.schedule();
        return;
      case DIVIDE:
        this.writeDivide(value & 0x0b);
        return;
      case VERSION_REGISTER: case APR: case PPR: case CURRENT_COUNT: return;
      default:
        if (register >= LVT && register < LVT + r.lvt.length) this.writeEntry(register - LVT, value);
        else if (register < ISR || register >= IRR + 8) this.error(ERROR_REGISTER);
    }
    this.update();
  }

  private writeSpurious(value: number): void {
    const { r } = this;
    r.svr = value & SVR_WRITABLE;
    // A disabled APIC holds every local interrupt masked.
    if ((value & SVR_ENABLE) !== 0) return;
    for (let i = 0; i < r.lvt.length; i++) r.lvt[i]! |= LVT_MASKED;
    this.schedule();
  }

  private writeEntry(index: number, value: number): void {
    const { r } = this;
    const forced = (r.svr & SVR_ENABLE) === 0 ? LVT_MASKED : 0;
    r.lvt[index] = (value & LVT_WRITABLE[index]!) | forced | (r.lvt[index]! & value & LVT_LEVEL ? r.lvt[index]! & LVT_REMOTE_IRR : 0);
    if (index === LVT_TIMER) this.schedule();
    if (index === LVT_LINT0 && r.lint0 && (r.lvt[index]! & (LVT_LEVEL | LVT_REMOTE_IRR)) === LVT_LEVEL) this.lint0Rose();
  }

  /** Sends what the interrupt command register holds. There is nobody else on the bus. */
  private send(): void {
    const { icrLow: command, icrHigh } = this.r;
    const shorthand = (command >> 18) & 3;
    const vector = command & 0xff;
    const delivery = (command >> 8) & 7;
    if ((delivery === DELIVERY_FIXED || delivery === DELIVERY_LOWEST) && vector < FIRST_VECTOR) {
      this.error(ERROR_SEND_VECTOR);
      return;
    }
    if (shorthand === SHORTHAND_ALL_BUT_SELF) return;
    const message = { vector, delivery, logical: (command & ICR_LOGICAL) !== 0, destination: icrHigh >>> 24, level: (command & LVT_LEVEL) !== 0 };
    // A level-triggered message that is taken back means nothing to this APIC.
    if (message.level && (command & ICR_ASSERT) === 0) return;
    this.accept(shorthand === SHORTHAND_NONE ? message : { ...message, destination: BROADCAST });
  }

  // --- the timer

  private get nsPerCount(): number {
    const { divide } = this.r;
    const power = ((divide & 3) | ((divide & 8) >> 1)) + 1;
    return NS_PER_BUS_CLOCK * (power === 8 ? 1 : 2 ** power);
  }

  private get periodic(): boolean {
    return (this.r.lvt[LVT_TIMER]! & LVT_PERIODIC) !== 0;
  }

  private currentCount(): number {
    const { initialCount, startNs } = this.r;
    if (initialCount === 0) return 0;
    const counts = Math.floor((this.wiring.clock.nowNs() - startNs) / this.nsPerCount);
    if (this.periodic) return initialCount - (counts % initialCount);
    return Math.max(0, initialCount - counts);
  }

  /** The count goes on from where it is, at another speed. */
  private writeDivide(value: number): void {
    const { r } = this;
    const nowNs = this.wiring.clock.nowNs();
    const counted = (nowNs - r.startNs) / this.nsPerCount;
    r.divide = value;
    r.startNs = nowNs - counted * this.nsPerCount;
    this.schedule();
  }

  /** Nobody is woken for a timer that interrupts nobody. */
  private schedule(): void {
    const { initialCount, startNs, lvt } = this.r;
    if (initialCount === 0 || (lvt[LVT_TIMER]! & LVT_MASKED) !== 0) {
      this.timer.cancel();
      return;
    }
    const period = initialCount * this.nsPerCount;
    const nowNs = this.wiring.clock.nowNs();
    const expirations = Math.floor((nowNs - startNs) / period);
    if (this.periodic) this.timer.arm(startNs + (expirations + 1) * period);
    else if (expirations < 1) this.timer.arm(startNs + period);
    else this.timer.cancel();
  }

  private timerExpired(): void {
    this.request(this.r.lvt[LVT_TIMER]! & 0xff, false);
    this.update();
    if (this.periodic) this.schedule();
  }
}

/** The highest vector whose bit is set, or -1. */
function highestBit(bits: Uint8Array): number {
  for (let at = bits.length - 1; at >= 0; at--) {
    const byte = bits[at]!;
    if (byte !== 0) return 8 * at + 31 - Math.clz32(byte);
  }
  return -1;
}

function dword(bits: Uint8Array, index: number): number {
  const at = 4 * index;
  return (bits[at]! | (bits[at + 1]! << 8) | (bits[at + 2]! << 16) | (bits[at + 3]! << 24)) >>> 0;
}
