// I/O APIC: 24 inputs, each of which becomes a message to the local APICs.
//
// Manual: Intel 82093AA I/O Advanced Programmable Interrupt Controller, 290566.
//
// Deviation: the board's wires say "asserted", not a voltage, so the polarity bits are kept and change nothing.
// Not implemented: SMI and INIT messages, the delivery status (messages arrive at once, it reads as idle), the APIC bus's arbitration.

import type { ApicMessage } from "./apic-local.ts";
import { allOnes } from "./bus.ts";
import type { Device, DeviceState, Line, Region } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";

export const IO_APIC_BASE = 0xfec0_0000;
const IO_APIC_PINS = 24;
const VERSION = 0x11 | ((IO_APIC_PINS - 1) << 16);

/** Offsets of the two windows. */
const SELECT = 0x00, WINDOW = 0x10;
const ID = 0, VERSION_REGISTER = 1, ARBITRATION = 2, REDIRECTION = 0x10;
const ID_BITS = 0x0f00_0000;

const DELIVERY_SHIFT = 8, DESTINATION_LOGICAL = 0x800, REMOTE_IRR = 0x4000, LEVEL = 0x8000, MASKED = 0x1_0000;
const LOW_WRITABLE = 0x1_afff, DESTINATION = 0xff00_0000;
const DELIVERY_EXTINT = 7;

function powerOn() {
  return { select: 0, id: 0, pins: 0, low: new Array<number>(IO_APIC_PINS).fill(MASKED), high: new Array<number>(IO_APIC_PINS).fill(0) };
}

export interface IoApicWiring {
  /** Sends a message to the processors; false where none takes it. */
  readonly send: (message: ApicMessage) => boolean;
}

export class IoApic implements Device {
  readonly id = "82093AA";
  /** 4 KB of which two doublewords answer. */
  readonly region: Region;
  private r = powerOn();
  private readonly send: IoApicWiring["send"];

  constructor({ send }: IoApicWiring) {
    this.send = send;
    this.region = {
      read: (offset, width) => ((this.readWindow(offset & ~3) >>> (8 * (offset & 3))) & allOnes(width)) >>> 0,
      write: (offset, width, value) => {
        if (offset === SELECT) this.r.select = value & 0xff;
        else if (offset === WINDOW && width === 4) this.write(this.r.select, value);
      },
    };
  }

  reset(): void {
    const { pins } = this.r;
    this.r = { ...powerOn(), pins };
  }

  save(): DeviceState {
    return copyState(this.r);
  }

  load(state: DeviceState): void {
    this.r = checkedState(this.id, powerOn(), state);
  }

  pin(index: number): Line {
    return { set: (level) => this.setPin(index, level) };
  }

  private setPin(index: number, level: boolean): void {
    const bit = 1 << index;
    if (level === ((this.r.pins & bit) !== 0)) return;
    this.r.pins ^= bit;
    if (level) this.raise(index);
  }

  /** A pin that has risen, or is high and may interrupt again. An edge at a masked pin is lost. */
  private raise(index: number): void {
    const low = this.r.low[index]!;
    if ((low & MASKED) !== 0 || (low & (LEVEL | REMOTE_IRR)) === (LEVEL | REMOTE_IRR)) return;
    const delivery = (low >> DELIVERY_SHIFT) & 7;
    // The 8259's own wire is the local APIC's LINT0.
    if (delivery === DELIVERY_EXTINT) return;
    const accepted = this.send({
      vector: low & 0xff,
      delivery,
      logical: (low & DESTINATION_LOGICAL) !== 0,
      destination: this.r.high[index]! >>> 24,
      level: (low & LEVEL) !== 0,
    });
    if (accepted && (low & LEVEL) !== 0) this.r.low[index] = low | REMOTE_IRR;
  }

  /** A local APIC has ended a level-triggered vector: inputs that are still high interrupt again. */
  endOfInterrupt(vector: number): void {
    for (let index = 0; index < IO_APIC_PINS; index++) {
      const low = this.r.low[index]!;
      if ((low & REMOTE_IRR) === 0 || (low & 0xff) !== vector) continue;
      this.r.low[index] = low & ~REMOTE_IRR;
      this.raiseLevel(index);
    }
  }

  private raiseLevel(index: number): void {
    if ((this.r.low[index]! & LEVEL) !== 0 && (this.r.pins & (1 << index)) !== 0) this.raise(index);
  }

  private readWindow(offset: number): number {
    if (offset === SELECT) return this.r.select;
    return offset === WINDOW ? this.read(this.r.select) : 0;
  }

  private read(register: number): number {
    switch (register) {
      case ID: case ARBITRATION: return this.r.id;
      case VERSION_REGISTER: return VERSION;
    }
    const index = (register - REDIRECTION) >> 1;
    if (register < REDIRECTION || index >= IO_APIC_PINS) return 0;
    return (register & 1) !== 0 ? this.r.high[index]! : this.r.low[index]!;
  }

  private write(register: number, value: number): void {
    if (register === ID) {
      this.r.id = value & ID_BITS;
      return;
    }
    const index = (register - REDIRECTION) >> 1;
    if (register < REDIRECTION || index >= IO_APIC_PINS) return;
    if ((register & 1) !== 0) {
      this.r.high[index] = (value & DESTINATION) >>> 0;
      return;
    }
    // Remote IRR belongs to level mode: an edge-triggered entry has none.
    const remote = (value & LEVEL) !== 0 ? this.r.low[index]! & REMOTE_IRR : 0;
    this.r.low[index] = (value & LOW_WRITABLE) | remote;
    this.raiseLevel(index);
  }
}
