// The interrupt wires of the board: every request line goes to the 8259s and to the I/O APIC, both end at the local APIC, and that at the processor.

import { IoApic, IO_APIC_BASE } from "../hardware/apic-io.ts";
import { LOCAL_APIC_BYTES, LocalApic } from "../hardware/apic-local.ts";
import type { MmioBus } from "../hardware/bus.ts";
import type { Clock, Device, Line } from "../hardware/device.ts";
import { Hpet, HPET_BASE } from "../hardware/hpet.ts";
import { placeOn } from "../hardware/pci-function.ts";
import { Pic8259aPair } from "../hardware/pic-8259a.ts";

const PAGE = 0x1000;
/** IRQ 0 comes in at input 2 of the I/O APIC, which has no cascade there; the tables of firmware/acpi say so. */
const TIMER_INPUT = 2;

export interface InterruptWiringOptions {
  readonly clock: Clock;
  readonly mmio: MmioBus;
  /** The processor has a local APIC, and the board an I/O APIC and an HPET. */
  readonly apic: boolean;
  /** INTR and NMI of the processor. */
  readonly intr: (level: boolean) => void;
  readonly nmi: () => void;
  readonly mappingChanged: () => void;
}

export class InterruptWiring {
  readonly pic: Pic8259aPair;
  readonly localApic: LocalApic | null;
  readonly ioApic: IoApic | null;
  readonly hpet: Hpet | null;
  /** INTR as the processor sees it. */
  pending = false;
  private readonly lines: readonly Line[];

  constructor({ clock, mmio, apic, intr, nmi, mappingChanged }: InterruptWiringOptions) {
    const pin: Line = {
      set: (level) => {
        this.pending = level;
        intr(level);
      },
    };
    const placeLocal = (base: number | null): void => {
      this.placed(base);
      mappingChanged();
    };
    this.localApic = apic
      ? new LocalApic({
          clock, nmi, intr: pin, place: placeLocal,
          acknowledgeExternal: () => this.pic.acknowledge(),
          endOfInterrupt: (vector) => this.ioApic!.endOfInterrupt(vector),
        })
      : null;
    this.placed = this.localApic ? placeOn(mmio, LOCAL_APIC_BYTES, this.localApic.region) : () => {};
    this.pic = new Pic8259aPair({ intr: this.localApic?.lint0 ?? pin });
    this.ioApic = apic ? new IoApic({ send: (message) => this.localApic!.accept(message) }) : null;
    this.lines = Array.from({ length: 16 }, (_, n) => this.line(n));
    this.hpet = apic ? new Hpet({ clock, irq0: this.lines[0]!, irq8: this.lines[8]!, route: (input) => this.ioApic!.pin(input) }) : null;
    if (this.ioApic) mmio.attach(IO_APIC_BASE, IO_APIC_BASE + PAGE - 1, this.ioApic.region);
    if (this.hpet) mmio.attach(HPET_BASE, HPET_BASE + PAGE - 1, this.hpet.region);
  }
  private readonly placed: (base: number | null) => void;

  private line(n: number): Line {
    const legacy = this.pic.irq(n);
    const input = this.ioApic?.pin(n === 0 ? TIMER_INPUT : n);
    if (!input) return legacy;
    return {
      set: (level) => {
        legacy.set(level);
        input.set(level);
      },
    };
  }

  /** The wire of an ISA interrupt. Those of the 8254 and of the clock end at the HPET, which may take their places. */
  irq(n: number): Line {
    if (this.hpet && n === 0) return this.hpet.pit;
    if (this.hpet && n === 8) return this.hpet.rtc;
    return this.lines[n]!;
  }

  /** The processor's acknowledge cycle: the vector to deliver. */
  acknowledge(): number {
    return this.localApic ? this.localApic.acknowledge() : this.pic.acknowledge();
  }

  /** A device asks for an interrupt that no controller masks. */
  get requested(): boolean {
    return this.pic.requested || (this.localApic?.requested ?? false);
  }

  get devices(): readonly Device[] {
    return [this.pic, this.localApic, this.ioApic, this.hpet].filter((device) => device !== null);
  }
}
