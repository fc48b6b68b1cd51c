// A PS/2 mouse with a wheel.
//
// Manuals: IBM PS/2 Hardware Interface Technical Reference, "Auxiliary Device" (mouse commands);
// Microsoft IntelliMouse and IntelliMouse Explorer protocol (device identity 3 and 4 after the magic sample rates).
//
// Not implemented: the self-test bytes at power-on (a reset by command sends them), counter overflow bits
// (what does not fit into a packet comes in the next one).

import type { Clock, Device, DeviceState, Timer } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";
import { PS2_ACK, PS2_BAT_OK, PS2_RESEND, type Ps2Device } from "./ps2-port.ts";

/** Commands from the host. */
const SCALING_1_1 = 0xe6;
const SCALING_2_1 = 0xe7;
const SET_RESOLUTION = 0xe8;
const STATUS_REQUEST = 0xe9;
const SET_STREAM = 0xea;
const READ_DATA = 0xeb;
const RESET_WRAP = 0xec;
const SET_WRAP = 0xee;
const SET_REMOTE = 0xf0;
const READ_ID = 0xf2;
const SET_SAMPLE_RATE = 0xf3;
const ENABLE = 0xf4;
const DISABLE = 0xf5;
const SET_DEFAULT = 0xf6;
const RESEND = 0xfe;
const RESET = 0xff;

/** Device identities: three buttons; with wheel; with wheel and five buttons. */
const ID_PLAIN = 0;
const ID_WHEEL = 3;
const ID_EXPLORER = 4;

/** Bits of `buttons`. */
const MOUSE_LEFT = 1;
const MOUSE_RIGHT = 2;
const MOUSE_MIDDLE = 4;

/** 2:1 scaling of counts 0 to 5 in stream mode; larger ones double. */
const DOUBLED = [0, 1, 1, 3, 6, 9] as const;

function defaults() {
  return { enabled: false, remote: false, wrap: false, doubled: false, resolution: 2, sampleRate: 100 };
}

/** Movement under the buttons that were held then. */
const still = (buttons: number) => ({ buttons, dx: 0, dy: 0, dz: 0 });
/** Changes of the buttons that wait for packets of their own at most; further ones take the last one's place. */
const MOST_CHANGES = 32;

function powerOn() {
  return {
    ...defaults(),
    identity: ID_PLAIN,
    /** The last three sample rates, which unlock the wheel. */
    rates: [0, 0, 0],
    command: 0,
    buttons: 0,
    sentButtons: 0,
    /** What no packet has told yet, oldest first: a press and a release within one sample period are both told, as a person's finger is slower than any real one. */
    untold: [still(0)],
    /** What waits to be sent. */
    output: [] as number[],
    lastSent: 0,
    /** The next packet in stream mode may not start before. */
    nextPacketNs: 0,
  };
}

export class Ps2Mouse implements Device, Ps2Device {
  readonly id = "mouse";
  onOutput: () => void = () => {};
  private r = powerOn();
  private readonly clock: Clock;
  private readonly timer: Timer;

  constructor(wiring: { clock: Clock }) {
    this.clock = wiring.clock;
    this.timer = wiring.clock.timer(() => this.stream());
  }

  reset(): void {
    const { buttons } = this.r;
    this.r = { ...powerOn(), buttons, sentButtons: buttons, untold: [still(buttons)] };
    this.timer.cancel();
  }

  save(): DeviceState {
    return copyState(this.r);
  }

  load(state: DeviceState): void {
    this.r = checkedState(this.id, powerOn(), state);
    this.timer.arm(Math.max(this.r.nextPacketNs, this.clock.nowNs()));
  }

  /** Movement in counts, right and down positive as on a screen; `wheel` in clicks towards the user. */
  move(dx: number, dy: number, wheel = 0): void {
    const last = this.r.untold.at(-1)!;
    last.dx += Math.trunc(dx);
    last.dy -= Math.trunc(dy);
    if (this.r.identity !== ID_PLAIN) last.dz += Math.trunc(wheel);
    this.stream();
  }

  /** Buttons held now: bit 0 left, 1 right, 2 middle, 3 and 4 the side buttons. */
  setButtons(buttons: number): void {
    const { r } = this, now = buttons & 0x1f;
    if (now === r.buttons) return;
    r.buttons = now;
    if (r.untold.length <= MOST_CHANGES) r.untold.push(still(now));
    else r.untold.at(-1)!.buttons = now;
    this.stream();
  }

  /** Whether the guest has switched data reporting on. */
  get reporting(): boolean {
    return this.r.enabled;
  }

  get waiting(): boolean {
    return this.r.output.length > 0;
  }

  take(): number {
    const byte = this.r.output.shift();
    if (byte === undefined) throw new Error("the mouse has nothing to send");
    this.r.lastSent = byte;
    // The controller looks for more by itself: calling it back from here would find its buffer still empty.
    this.nextPacket();
    return byte;
  }

  private stream(): void {
    if (this.nextPacket()) this.onOutput();
  }

  /** Stream mode: a packet when something changed, the one before is out and the sample period is over. */
  private nextPacket(): boolean {
    const { r } = this;
    if (!r.enabled || r.remote || r.wrap || r.output.length > 0) return false;
    this.dropTold();
    const { buttons, dx, dy, dz } = r.untold[0]!;
    if (dx === 0 && dy === 0 && dz === 0 && buttons === r.sentButtons) return false;
    const nowNs = this.clock.nowNs();
    if (nowNs < r.nextPacketNs) {
      this.timer.arm(r.nextPacketNs);
      return false;
    }
    r.nextPacketNs = nowNs + Math.round(1e9 / Math.max(10, r.sampleRate));
    this.packet(r.doubled);
    return true;
  }

  /** What has been told in full makes room for what came after it. */
  private dropTold(): void {
    const { r } = this;
    for (let first = r.untold[0]!; r.untold.length > 1 && first.buttons === r.sentButtons && first.dx === 0 && first.dy === 0 && first.dz === 0; first = r.untold[0]!) r.untold.shift();
  }

  private packet(doubled: boolean): void {
    const { r } = this;
    this.dropTold();
    const first = r.untold[0]!, { buttons } = first;
    const dx = Math.max(-255, Math.min(255, first.dx));
    const dy = Math.max(-255, Math.min(255, first.dy));
    first.dx -= dx;
    first.dy -= dy;
    const x = doubled ? double(dx) : dx;
    const y = doubled ? double(dy) : dy;
    r.sentButtons = buttons;
    r.output.push(0x08 | (buttons & 7) | (x < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0), x & 0xff, y & 0xff);
    const limit = r.identity === ID_EXPLORER ? 7 : 127;
    const dz = Math.max(-limit, Math.min(limit, first.dz));
    first.dz -= dz;
    if (r.identity === ID_WHEEL) r.output.push(dz & 0xff);
    else if (r.identity === ID_EXPLORER) r.output.push((dz & 0x0f) | ((buttons & 0x18) << 1));
  }

  command(byte: number): void {
    const { r } = this;
    const parameterOf = r.command;
    r.command = 0;
    // A command ends whatever was being sent.
    r.output = [];
    if (r.wrap && byte !== RESET_WRAP && byte !== RESET) r.output.push(byte);
    else if (parameterOf !== 0) this.parameter(parameterOf, byte);
    else this.execute(byte);
    this.onOutput();
  }

  private reply(...bytes: number[]): void {
    this.r.output.push(...bytes);
  }

  private execute(byte: number): void {
    const { r } = this;
    switch (byte) {
      case SET_RESOLUTION:
      case SET_SAMPLE_RATE:
        r.command = byte;
        break;
      case SCALING_1_1:
      case SCALING_2_1:
        r.doubled = byte === SCALING_2_1;
        break;
      case STATUS_REQUEST:
        this.reply(PS2_ACK, this.status(), r.resolution, r.sampleRate);
        return;
      case SET_STREAM:
      case SET_REMOTE:
        r.remote = byte === SET_REMOTE;
        this.forgetMovement();
        break;
      case READ_DATA:
        this.reply(PS2_ACK);
        this.packet(false);
        return;
      case RESET_WRAP:
      case SET_WRAP:
        r.wrap = byte === SET_WRAP;
        this.forgetMovement();
        break;
      case READ_ID:
        this.reply(PS2_ACK, r.identity);
        return;
      case ENABLE:
      case DISABLE:
        r.enabled = byte === ENABLE;
        this.forgetMovement();
        break;
      case SET_DEFAULT:
        Object.assign(r, defaults());
        this.forgetMovement();
        break;
      case RESEND:
        this.reply(r.lastSent);
        return;
      case RESET:
        this.reset();
        this.reply(PS2_ACK, PS2_BAT_OK, ID_PLAIN);
        return;
      default:
        this.reply(PS2_RESEND);
        return;
    }
    this.reply(PS2_ACK);
  }

  private parameter(command: number, byte: number): void {
    const { r } = this;
    if (command === SET_RESOLUTION) {
      if (byte > 3) {
        this.reply(PS2_RESEND);
        return;
      }
      r.resolution = byte;
    } else {
      r.sampleRate = byte;
      r.rates = [...r.rates.slice(1), byte];
      const magic = r.rates.join(" ");
      if (magic === "200 100 80" && r.identity === ID_PLAIN) r.identity = ID_WHEEL;
      if (magic === "200 200 80" && r.identity === ID_WHEEL) r.identity = ID_EXPLORER;
    }
    this.reply(PS2_ACK);
  }

  private forgetMovement(): void {
    const { r } = this;
    r.untold = [still(r.buttons)];
    r.sentButtons = r.buttons;
  }

  private status(): number {
    const { r } = this;
    return (
      (r.remote ? 0x40 : 0) |
      (r.enabled ? 0x20 : 0) |
      (r.doubled ? 0x10 : 0) |
      ((r.buttons & MOUSE_LEFT) !== 0 ? 4 : 0) |
      ((r.buttons & MOUSE_MIDDLE) !== 0 ? 2 : 0) |
      ((r.buttons & MOUSE_RIGHT) !== 0 ? 1 : 0)
    );
  }
}

function double(count: number): number {
  const size = Math.abs(count);
  const scaled = DOUBLED[size] ?? Math.min(255, 2 * size);
  return count < 0 ? -scaled : scaled;
}
