// A 101/102-key PS/2 keyboard.
//
// Manual: IBM PS/2 Hardware Interface Technical Reference, "Keyboards" (commands, scan code sets 1, 2 and 3, typematic).
//
// Not implemented: the shift codes that a keyboard adds around the grey cursor keys while Num Lock or Shift is on,
// the self-test byte at power-on (a reset by command sends it), parity errors.

import type { Clock, Device, DeviceState, Timer } from "./device.ts";
import { checkedState, copyState } from "./device-state.ts";
import { findKey, type Key, type KeyEvent } from "./ps2-keys.ts";
import { PS2_ACK, PS2_BAT_OK, PS2_RESEND, type Ps2Device } from "./ps2-port.ts";

export { findKey, keyNameToScancode, textToKeys, usKeyOf, type Key, type KeyEvent } from "./ps2-keys.ts";

/** Commands from the host. */
const SET_LEDS = 0xed;
const ECHO = 0xee;
const SCAN_CODE_SET = 0xf0;
const READ_ID = 0xf2;
const SET_TYPEMATIC = 0xf3;
const ENABLE = 0xf4;
const DEFAULT_DISABLE = 0xf5;
const SET_DEFAULT = 0xf6;
const SET_ALL_FIRST = 0xf7;
const SET_ALL_LAST = 0xfa;
const SET_KEY_TYPEMATIC = 0xfb;
const SET_KEY_MAKE_BREAK = 0xfc;
const SET_KEY_MAKE = 0xfd;
const RESEND = 0xfe;
const RESET = 0xff;

/** What a key of set 3 does: repeats, sends a break code. */
const REPEATS = 1;
const BREAKS = 2;

const BUFFER_BYTES = 16;
/** 10.9 characters a second after half a second. */
const DEFAULT_TYPEMATIC = 0x2b;
/** Between two events that a script has queued: a very fast typist, and slower than any guest reads. */
const SCRIPT_GAP_NS = 5_000_000;
/** Presses that wait for a guest that does not read at most. */
const MOST_WAITING = 64;

const CODE_ALT = [0x38, 0xe038];
const CODE_CONTROL = [0x1d, 0xe01d];
const CODE_SHIFT = [0x2a, 0x36];
const CODE_PRINT_SCREEN = 0xe037;
const CODE_PAUSE = 0xe11d;

/** Default key types of set 3: keys that make and break, keys that only make; all others repeat. */
const SET3_MAKE_BREAK = [0x11, 0x12, 0x14, 0x19, 0x59];
const SET3_MAKE = [
  0x07, 0x08, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x47, 0x4f, 0x56, 0x5e, 0x57, 0x5f, 0x62, 0x39, 0x58, 0x65, 0x67, 0x69, 0x6b, 0x6c, 0x6d, 0x6e,
  0x6f, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x79, 0x7a, 0x7d, 0x7e, 0x84, 0x8b, 0x8c, 0x8d,
];

function defaultTypes(): Uint8Array {
  const types = new Uint8Array(256).fill(REPEATS);
  for (const code of SET3_MAKE_BREAK) types[code] = BREAKS;
  for (const code of SET3_MAKE) types[code] = 0;
  return types;
}

function powerOn() {
  return {
    scanning: true,
    set: 2,
    leds: 0,
    typematic: DEFAULT_TYPEMATIC,
    types: defaultTypes(),
    /** The command whose parameter comes next, or 0. */
    command: 0,
    /** Answers to commands go before keys. */
    replies: [] as number[],
    keys: [] as number[],
    lastSent: 0,
    held: [] as number[],
    /** The key that repeats, or 0, and when. */
    repeating: 0,
    repeatNs: 0,
    script: [] as KeyEvent[],
    scriptNs: 0,
  };
}

export class Ps2Keyboard implements Device, Ps2Device {
  readonly id = "keyboard";
  onOutput: () => void = () => {};
  private r = powerOn();
  private readonly clock: Clock;
  private readonly timer: Timer;

  constructor(wiring: { clock: Clock }) {
    this.clock = wiring.clock;
    this.timer = wiring.clock.timer((nowNs) => this.expire(nowNs));
  }

  /** Power-on. Keys that are held stay held: nobody lifted them. */
  reset(): void {
    const { held } = this.r;
    this.r = { ...powerOn(), held };
    this.schedule();
  }

  save(): DeviceState {
    return copyState(this.r);
  }

  load(state: DeviceState): void {
    const like = { ...powerOn(), script: [{ code: 0, down: false }] };
    this.r = checkedState(this.id, like, state);
    this.schedule();
  }

  /** Bit 0 Scroll Lock, bit 1 Num Lock, bit 2 Caps Lock. */
  get leds(): number {
    return this.r.leds;
  }

  /** A key goes down. `key` is a KeyboardEvent.code or a set-1 make code (E0xxh with prefix). False: no such key. */
  press(key: string | number): boolean {
    return this.change(key, true);
  }

  release(key: string | number): boolean {
    return this.change(key, false);
  }

  /**
   * A key that a person presses or lifts. On a busy host many come at once, though the person was slow: each waits until the guest has read
   * the one before, so that the part's sixteen bytes do not overrun.
   */
  strike(key: string | number, down: boolean): boolean {
    const { r } = this, found = findKey(key);
    if (found === undefined) return false;
    const { set1 } = found;
    if (!this.waiting && r.script.length === 0) return this.change(set1, down);
    if (down ? r.script.length < MOST_WAITING : r.held.includes(set1) || r.script.some(({ code }) => code === set1)) this.type([{ code: set1, down }]);
    return true;
  }

  /** Lifts every key that is down, as when the page loses the focus. */
  releaseAll(): void {
    for (const code of [...this.r.held]) this.change(code, false);
  }

  /** Key events at the pace of a fast typist, each when the guest has read the one before. */
  type(events: readonly KeyEvent[]): void {
    this.r.script.push(...events);
    if (this.r.scriptNs === 0) this.r.scriptNs = this.clock.nowNs();
    this.schedule();
  }

  /** Events given to `type` that are still to come. */
  get typing(): number {
    return this.r.script.length;
  }

  get waiting(): boolean {
    return this.r.replies.length > 0 || this.r.keys.length > 0;
  }

  take(): number {
    const byte = this.r.replies.shift() ?? this.r.keys.shift();
    if (byte === undefined) throw new Error("the keyboard has nothing to send");
    this.r.lastSent = byte;
    return byte;
  }

  private change(name: string | number, down: boolean): boolean {
    const key = findKey(name);
    if (key === undefined) return false;
    const { r } = this;
    const held = r.held.includes(key.set1);
    // A key that is already down comes again only as a repeat, which is the keyboard's own business.
    if (down === held) return true;
    if (down) {
      r.held.push(key.set1);
      r.repeating = key.set1;
      r.repeatNs = this.clock.nowNs() + (((r.typematic >> 5) & 3) + 1) * 250e6;
    } else {
      r.held = r.held.filter((code) => code !== key.set1);
      if (r.repeating === key.set1) r.repeating = 0;
    }
    this.send(key, down);
    this.schedule();
    return true;
  }

  private send(key: Key, down: boolean): void {
    const { r } = this;
    if (!r.scanning) return;
    const bytes = this.encode(key, down);
    if (bytes.length === 0) return;
    const overrun = r.set === 1 ? 0xff : 0x00;
    if (r.keys.length + bytes.length <= BUFFER_BYTES) r.keys.push(...bytes);
    else if (r.keys.at(-1) !== overrun) r.keys.push(overrun);
    this.onOutput();
  }

  private holds(codes: readonly number[]): boolean {
    return this.r.held.some((code) => codes.includes(code));
  }

  private encode(key: Key, down: boolean): number[] {
    const { r } = this;
    if (r.set === 3) {
      if (down) return [key.set3];
      return ((r.types[key.set3] as number) & BREAKS) !== 0 ? [0xf0, key.set3] : [];
    }
    const make = (code: number): number[] => (code > 0xff ? [code >> 8, code & 0xff] : [code]);
    const wire = (set1: number, set2: number): number[] => {
      if (r.set === 1) return down ? make(set1) : make(set1 | 0x80);
      if (down) return make(set2);
      return set2 > 0xff ? [set2 >> 8, 0xf0, set2 & 0xff] : [0xf0, set2];
    };
    if (key.set1 === CODE_PAUSE) return this.encodePause(down, wire);
    if (key.set1 === CODE_PRINT_SCREEN) {
      // With Alt it is SysRq; with Ctrl or Shift the made-up shift around it is left out.
      if (this.holds(CODE_ALT)) return wire(0x54, 0x84);
      const code = wire(0xe037, 0xe07c);
      if (this.holds(CODE_CONTROL) || this.holds(CODE_SHIFT)) return code;
      const shift = wire(0xe02a, 0xe012);
      return down ? [...shift, ...code] : [...code, ...shift];
    }
    return wire(key.set1, key.set2);
  }

  /** Pause sends make and break at once and nothing when it is lifted; with Ctrl it is Break. */
  private encodePause(down: boolean, wire: (set1: number, set2: number) => number[]): number[] {
    if (!down) return [];
    if (this.holds(CODE_CONTROL)) return this.r.set === 1 ? [0xe0, 0x46, 0xe0, 0xc6] : [...wire(0xe046, 0xe07e), 0xe0, 0xf0, 0x7e];
    return this.r.set === 1 ? [0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5] : [0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77];
  }

  private schedule(): void {
    const { r } = this;
    const repeat = r.repeating !== 0 && r.repeating !== CODE_PAUSE && r.scanning ? r.repeatNs : Infinity;
    const script = r.script.length > 0 ? r.scriptNs : Infinity;
    const next = Math.min(repeat, script);
    if (next === Infinity) this.timer.cancel();
    else this.timer.arm(next);
  }

  private expire(nowNs: number): void {
    const { r } = this;
    if (r.repeating !== 0 && r.repeatNs <= nowNs) {
      // Period of the typematic rate: (8 + bits 2-0) * 2 ^ (bits 4-3) * 4.17 ms.
      r.repeatNs = nowNs + (8 + (r.typematic & 7)) * 2 ** ((r.typematic >> 3) & 3) * 4_170_000;
      const key = findKey(r.repeating);
      // A host that does not read gets no repeats piled up, nor of a key that has been lifted since.
      if (key !== undefined && !this.waiting && r.script.length === 0 && (r.set !== 3 || ((r.types[key.set3] as number) & REPEATS) !== 0)) this.send(key, true);
    }
    if (r.script.length > 0 && r.scriptNs <= nowNs) {
      r.scriptNs = nowNs + SCRIPT_GAP_NS;
      const event = this.waiting ? undefined : r.script.shift();
      if (r.script.length === 0) r.scriptNs = 0;
      if (event !== undefined) this.change(event.code, event.down);
    }
    this.schedule();
  }

  command(byte: number): void {
    const { r } = this;
    const parameterOf = r.command;
    r.command = 0;
    // A byte with bit 7 set is no parameter but the next command (key codes of set 3 reach up to 8Dh).
    if (parameterOf !== 0 && (byte < 0x80 || (parameterOf >= SET_KEY_TYPEMATIC && byte < SET_LEDS))) this.parameter(parameterOf, byte);
    else this.execute(byte);
    this.schedule();
    this.onOutput();
  }

  private reply(...bytes: number[]): void {
    this.r.replies.push(...bytes);
  }

  private setDefaults(): void {
    const { r } = this;
    r.set = 2;
    r.typematic = DEFAULT_TYPEMATIC;
    r.types = defaultTypes();
    r.keys = [];
    r.repeating = 0;
  }

  private execute(byte: number): void {
    const { r } = this;
    switch (byte) {
      case SET_LEDS:
      case SCAN_CODE_SET:
      case SET_TYPEMATIC:
      case SET_KEY_TYPEMATIC:
      case SET_KEY_MAKE_BREAK:
      case SET_KEY_MAKE:
        r.command = byte;
        this.reply(PS2_ACK);
        break;
      case ECHO:
        this.reply(ECHO);
        break;
      case READ_ID:
        this.reply(PS2_ACK, 0xab, 0x83);
        break;
      case ENABLE:
        r.keys = [];
        r.scanning = true;
        this.reply(PS2_ACK);
        break;
      case DEFAULT_DISABLE:
      case SET_DEFAULT:
        this.setDefaults();
        if (byte === DEFAULT_DISABLE) r.scanning = false;
        this.reply(PS2_ACK);
        break;
      case RESEND:
        this.reply(r.lastSent);
        break;
      case RESET:
        this.setDefaults();
        r.scanning = true;
        r.leds = 0;
        r.replies = [PS2_ACK, PS2_BAT_OK];
        break;
      default:
        if (byte >= SET_ALL_FIRST && byte <= SET_ALL_LAST) {
          // F7h repeat, F8h make and break, F9h make only, FAh repeat and break.
          r.types.fill([REPEATS, BREAKS, 0, REPEATS | BREAKS][byte - SET_ALL_FIRST] as number);
          this.reply(PS2_ACK);
        } else {
          this.reply(PS2_RESEND);
        }
    }
  }

  private parameter(command: number, byte: number): void {
    const { r } = this;
    switch (command) {
      case SET_LEDS:
        r.leds = byte & 7;
        break;
      case SCAN_CODE_SET:
        if (byte > 3) {
          this.reply(PS2_RESEND);
          return;
        }
        if (byte === 0) {
          this.reply(PS2_ACK, r.set);
          return;
        }
        r.set = byte;
        r.keys = [];
        break;
      case SET_TYPEMATIC:
        r.typematic = byte;
        break;
      case SET_KEY_TYPEMATIC:
        r.types[byte] = REPEATS;
        break;
      case SET_KEY_MAKE_BREAK:
        r.types[byte] = BREAKS;
        break;
      case SET_KEY_MAKE:
        r.types[byte] = 0;
        break;
    }
    this.reply(PS2_ACK);
  }
}
