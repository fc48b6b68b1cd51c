// Single ports of the PC's system board.
//
// Manuals: IBM PC/AT Technical Reference (port 61h, 80h); IBM PS/2 Hardware Interface Technical Reference, "System Control
// Port A" (92h). Port E9h is the debug console of Bochs and QEMU, F4h ends the run with a value, as QEMU's isa-debug-exit does.
//
// Not implemented: parity and I/O channel check (port 61h bits 7 and 6 stay 0, bits 3 and 2 are only kept), the security lock and lamps of port 92h (only kept).

import { byteRegion } from "./bus.ts";
import type { ByteSink, Clock, Device, DeviceState, Line, Region, Timer } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";
import { Oscillator } from "./oscillator.ts";
import { PIT_HZ, type Pit8254 } from "./pit-8254.ts";

const PORT61_GATE2 = 0x01;
const PORT61_SPEAKER = 0x02;
const PORT61_KEPT = 0x0f;
const PORT61_REFRESH = 0x10;
const PORT61_OUT2 = 0x20;
/** Counter 1 asks for a refresh every 18 counts, 15.085 us; each one toggles bit 4. */
const REFRESH_CYCLES = 18;

const PORT92_RESET = 0x01;
const PORT92_A20 = 0x02;

function powerOn() {
  return { port61: 0, port92: 0, post: 0 };
}

/** Several outputs on one wire: it is high while any of them is (A20 from the 8042 and from port 92h). */
export class WiredOr {
  private readonly out: Line;
  private readonly levels: boolean[] = [];

  constructor(out: Line) {
    this.out = out;
  }

  input(): Line {
    const index = this.levels.push(false) - 1;
    return {
      set: (level) => {
        this.levels[index] = level;
        this.out.set(this.levels.includes(true));
      },
    };
  }
}

/** A tone in Hz; or 0, and the level that the cone is held at. */
export interface SpeakerSound {
  readonly hz: number;
  readonly high: boolean;
}

export interface SystemPortsWiring {
  readonly clock: Clock;
  readonly pit: Pit8254;
  readonly a20: Line;
  readonly resetPulse: () => void;
  /** Port E9h. */
  readonly debug: ByteSink;
  /** Port F4h: the guest ends the run. */
  readonly exit: (value: number) => void;
  /** Port 80h. */
  readonly post?: ByteSink;
  /** The loudspeaker makes another sound from now on. */
  readonly speaker?: (sound: SpeakerSound) => void;
}

export class SystemPorts implements Device {
  readonly id = "system-ports";
  readonly port61: Region;
  readonly port80: Region;
  readonly port92: Region;
  readonly portE9: Region;
  readonly portF4: Region;
  private r = powerOn();
  private readonly wiring: SystemPortsWiring;
  private readonly crystal = new Oscillator(PIT_HZ);
  private sound: SpeakerSound = { hz: 0, high: false };
  /** Counter 2 runs down once: the cone moves then (samples played by pulse width). */
  private readonly coneMoves: Timer;

  constructor(wiring: SystemPortsWiring) {
    this.wiring = wiring;
    this.port61 = byteRegion({ read: () => this.read61(), write: (_offset, value) => this.write61(value) });
    this.port80 = byteRegion({ read: () => this.r.post, write: (_offset, value) => this.write80(value) });
    this.port92 = byteRegion({ read: () => this.r.port92, write: (_offset, value) => this.write92(value) });
    this.portE9 = byteRegion({ read: () => 0xe9, write: (_offset, value) => wiring.debug.byte(value) });
    this.portF4 = byteRegion({ read: () => 0xff, write: (_offset, value) => wiring.exit(value) });
    wiring.pit.onCounter2 = () => this.speak();
    this.coneMoves = wiring.clock.timer(() => this.speak());
    this.reset();
  }

  reset(): void {
    this.r = powerOn();
    this.drive();
  }

  save(): DeviceState {
    return copyState(this.r);
  }

  load(state: DeviceState): void {
    this.r = checkedState(this.id, powerOn(), state);
    this.wiring.a20.set((this.r.port92 & PORT92_A20) !== 0);
    this.speak();
  }

  /** Bit 1 of port 61h: whether counter 2 reaches the loudspeaker. */
  get speakerOn(): boolean {
    return (this.r.port61 & 0x03) === 0x03;
  }

  /** The tone of the loudspeaker in Hz; 0: silence (or a level that a program moves by itself). */
  get speakerHz(): number {
    return this.speakerOn ? this.wiring.pit.frequency(2) : 0;
  }

  private drive(): void {
    this.wiring.pit.setGate2((this.r.port61 & PORT61_GATE2) !== 0);
    this.wiring.a20.set((this.r.port92 & PORT92_A20) !== 0);
    this.speak();
  }

  private speak(): void {
    const { pit } = this.wiring, hz = this.speakerHz, isOn = (this.r.port61 & PORT61_SPEAKER) !== 0, high = hz === 0 && isOn && pit.out(2);
    const changeNs = hz === 0 && isOn ? pit.changeNs(2) : Infinity;
    if (changeNs === Infinity) this.coneMoves.cancel();
    else if (changeNs !== this.coneMoves.deadlineNs) this.coneMoves.arm(changeNs);
    if (hz === this.sound.hz && high === this.sound.high) return;
    this.sound = { hz, high };
    this.wiring.speaker?.(this.sound);
  }

  private read61(): number {
    const refreshes = Math.floor(this.crystal.cyclesAt(this.wiring.clock.nowNs()) / REFRESH_CYCLES);
    return this.r.port61 | (refreshes % 2 === 1 ? PORT61_REFRESH : 0) | (this.wiring.pit.out(2) ? PORT61_OUT2 : 0);
  }

  private write61(value: number): void {
    this.r.port61 = value & PORT61_KEPT;
    this.drive();
  }

  private write80(value: number): void {
    this.r.post = value;
    this.wiring.post?.byte(value);
  }

  private write92(value: number): void {
    const rising = (value & ~this.r.port92 & PORT92_RESET) !== 0;
    this.r.port92 = value;
    this.drive();
    if (rising) this.wiring.resetPulse();
  }
}
