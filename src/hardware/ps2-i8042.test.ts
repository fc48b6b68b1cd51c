import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";
import { Ps2I8042 } from "./ps2-i8042.ts";
import { KEYS } from "./ps2-keys.ts";
import { Ps2Keyboard, textToKeys } from "./ps2-keyboard.ts";
import { Ps2Mouse } from "./ps2-mouse.ts";

let clock: ManualClock;
let irq1: Probe;
let irq12: Probe;
let a20: Probe;
let resets: number;
let keyboard: Ps2Keyboard;
let mouse: Ps2Mouse;
let kbc: Ps2I8042;

beforeEach(() => {
  clock = new ManualClock();
  irq1 = new Probe();
  irq12 = new Probe();
  a20 = new Probe();
  resets = 0;
  keyboard = new Ps2Keyboard({ clock });
  mouse = new Ps2Mouse({ clock });
  kbc = new Ps2I8042({ clock, irq1, irq12, a20, resetPulse: () => resets++, keyboard, mouse });
});

const status = () => kbc.commandRegion.read(0, 1);
const data = () => kbc.dataRegion.read(0, 1);
const command = (value: number, ...parameters: number[]) => {
  kbc.commandRegion.write(0, 1, value);
  for (const parameter of parameters) kbc.dataRegion.write(0, 1, parameter);
};
const send = (...bytes: number[]) => {
  for (const byte of bytes) kbc.dataRegion.write(0, 1, byte);
};

/** Reads until nothing more comes. */
function drain(): string {
  const bytes: string[] = [];
  for (let i = 0; i < 200; i++) {
    if ((status() & 1) === 0) {
      clock.advance(100_000);
      if ((status() & 1) === 0) break;
    }
    bytes.push(data().toString(16).padStart(2, "0"));
  }
  return bytes.join(" ");
}

const toMouse = (byte: number) => command(0xd4, byte);

describe("8042 output buffer", () => {
  it("shows an answer at once and keeps the byte readable", () => {
    command(0xaa);
    expect(status()).toBe(0x1d);
    expect(data()).toBe(0x55);
    expect(status()).toBe(0x1c);
    expect(data()).toBe(0x55);
  });

  it("gives the next byte a little later, with an edge of its own", () => {
    keyboard.press("ArrowUp");
    expect(irq1.level).toBe(true);
    expect(data()).toBe(0xe0);
    expect(irq1.level).toBe(false);
    expect(status() & 1).toBe(0);
    expect(data()).toBe(0xe0);
    clock.advance(100_000);
    expect([irq1.level, irq1.rises]).toEqual([true, 2]);
    expect(data()).toBe(0x48);
  });

  it("tells mouse bytes by status bit 5 and IRQ 12", () => {
    command(0x60, 0x47);
    toMouse(0xf4);
    expect([irq1.level, irq12.level]).toEqual([false, true]);
    expect(status() & 0x21).toBe(0x21);
    expect(data()).toBe(0xfa);
    expect([irq12.level, status() & 0x21]).toEqual([false, 0]);
  });

  it("interrupts only when the command byte lets it", () => {
    command(0x60, 0x40);
    keyboard.press("KeyA");
    expect([irq1.level, status() & 1]).toEqual([false, 1]);
    command(0x60, 0x41);
    expect(irq1.level).toBe(true);
  });

  it("shows in status bit 3 whether the last write was a command", () => {
    send(0xee);
    expect(status() & 0x08).toBe(0);
    command(0xae);
    expect(status() & 0x08).toBe(0x08);
  });
});

describe("8042 commands", () => {
  it("reads and writes the command byte and the RAM", () => {
    command(0x20);
    expect(data()).toBe(0x61);
    command(0x60, 0x47);
    command(0x20);
    expect(data()).toBe(0x47);
    expect(status() & 4).toBe(4);
    command(0x7f, 0x99);
    command(0x3f);
    expect(data()).toBe(0x99);
  });

  it("passes its tests", () => {
    command(0xaa);
    expect(drain()).toBe("55");
    command(0xab);
    expect(drain()).toBe("00");
    command(0xa9);
    expect(drain()).toBe("00");
    command(0xc0);
    expect(drain()).toBe("a0");
    command(0xe0);
    expect(drain()).toBe("03");
  });

  it("switches the keyboard and the mouse off and on", () => {
    command(0xad);
    keyboard.press("KeyA");
    expect(status() & 1).toBe(0);
    command(0x20);
    expect(drain()).toBe("71");
    command(0xae);
    expect(drain()).toBe("1e");
    command(0xa8);
    command(0x20);
    expect(drain()).toBe("41");
    command(0xa7);
    command(0x20);
    expect(drain()).toBe("61");
  });

  it("opens the keyboard's clock when something is sent to it", () => {
    command(0xad);
    send(0xee);
    expect(drain()).toBe("ee");
    command(0x20);
    expect(drain()).toBe("61");
  });

  it("drives A20 and resets through the output port", () => {
    expect(a20.level).toBe(true);
    command(0xd1, 0xdd);
    expect([a20.level, resets]).toEqual([false, 0]);
    command(0xd0);
    expect(drain()).toBe("cd");
    command(0xd1, 0xdf);
    expect([a20.level, resets]).toEqual([true, 0]);
    command(0xdd);
    expect(a20.level).toBe(false);
    command(0xdf);
    expect(a20.level).toBe(true);
    command(0xd1, 0xde);
    expect(resets).toBe(1);
  });

  it("shows the interrupt lines in the output port", () => {
    keyboard.press("KeyA");
    command(0xd0);
    expect(drain()).toBe("1e df");
    command(0xd3, 0x11);
    command(0xd0);
    expect(drain()).toBe("11 ef");
  });

  it("pulses reset for F0h to FFh with bit 0 clear", () => {
    for (const c of [0xff, 0xf1, 0xfd]) command(c);
    expect(resets).toBe(0);
    command(0xfe);
    command(0xf0);
    expect(resets).toBe(2);
  });

  it("loops bytes into either output buffer, untranslated (the probe of Linux's driver)", () => {
    command(0x60, 0x47);
    command(0xd2, 0x1c);
    expect([status() & 0x21, data()]).toEqual([0x01, 0x1c]);
    command(0xd3, 0x5a);
    expect([status() & 0x21, irq12.level, data()]).toEqual([0x21, true, 0x5a]);
  });

  it("ignores commands it does not have", () => {
    for (const c of [0x00, 0x80, 0xa0, 0xb5, 0xe5]) command(c);
    expect(drain()).toBe("");
  });
});

describe("keyboard scan codes", () => {
  it("translates every key of set 2 into its set-1 code", () => {
    for (const key of KEYS) {
      if (key.name === "Pause" || key.name === "PrintScreen") continue;
      const prefix = key.set1 > 0xff ? "e0 " : "";
      const code = (key.set1 & 0x7f).toString(16).padStart(2, "0");
      const up = ((key.set1 & 0x7f) | 0x80).toString(16);
      keyboard.press(key.name);
      expect(drain(), key.name).toBe(prefix + code);
      keyboard.release(key.name);
      expect(drain(), key.name).toBe(prefix + up);
    }
  });

  it("sends set 2 as it is without translation", () => {
    command(0x60, 0x21);
    keyboard.press("KeyA");
    keyboard.release("KeyA");
    keyboard.press(0xe04b);
    keyboard.release("ArrowLeft");
    expect(drain()).toBe("1c f0 1c e0 6b e0 f0 6b");
  });

  it("sends the long sequences of Print Screen and Pause", () => {
    keyboard.press("PrintScreen");
    keyboard.release("PrintScreen");
    expect(drain()).toBe("e0 2a e0 37 e0 b7 e0 aa");
    keyboard.press("Pause");
    keyboard.release("Pause");
    expect(drain()).toBe("e1 1d 45 e1 9d c5");
    keyboard.press("AltLeft");
    keyboard.press("PrintScreen");
    keyboard.release("PrintScreen");
    keyboard.release("AltLeft");
    expect(drain()).toBe("38 54 d4 b8");
    keyboard.press("ControlLeft");
    keyboard.press("Pause");
    keyboard.release("Pause");
    expect(drain()).toBe("1d e0 46 e0 c6");
  });

  it("sends set 1 by itself when asked, and set 3", () => {
    command(0x60, 0x01);
    send(0xf0, 0x01);
    expect(drain()).toBe("fa fa");
    keyboard.press("Delete");
    keyboard.release("Delete");
    keyboard.press("F7");
    keyboard.release("F7");
    expect(drain()).toBe("e0 53 e0 d3 41 c1");
    send(0xf0, 0x03);
    drain();
    keyboard.press("KeyA");
    keyboard.release("KeyA");
    keyboard.press("ControlLeft");
    keyboard.release("ControlLeft");
    expect(drain()).toBe("1c 11 f0 11");
    send(0xf8);
    drain();
    keyboard.press("F1");
    keyboard.release("F1");
    expect(drain()).toBe("07 f0 07");
    send(0xf0, 0x00);
    expect(drain()).toBe("fa fa 03");
  });

  it("refuses keys that do not exist", () => {
    expect([keyboard.press("Meh"), keyboard.press(0x7f), keyboard.release("KeyA")]).toEqual([false, false, true]);
    expect(drain()).toBe("");
  });
});

describe("keyboard commands", () => {
  it("resets, echoes and tells its identity, translated and not", () => {
    send(0xff);
    expect(data()).toBe(0xfa);
    expect(drain()).toBe("aa");
    send(0xee);
    expect(drain()).toBe("ee");
    send(0xf2);
    expect(drain()).toBe("fa ab 41");
    command(0x60, 0x21);
    send(0xf2);
    expect(drain()).toBe("fa ab 83");
  });

  it("sets LEDs and takes a new command in place of a parameter", () => {
    send(0xed, 0x07);
    expect([drain(), keyboard.leds]).toEqual(["fa fa", 7]);
    send(0xed, 0xf4);
    expect([drain(), keyboard.leds]).toEqual(["fa fa", 7]);
    send(0xf3, 0x00);
    expect(drain()).toBe("fa fa");
    send(0xe7);
    expect(drain()).toBe("fe");
  });

  it("resends, and stops and starts scanning", () => {
    keyboard.press("KeyB");
    drain();
    send(0xfe);
    expect(drain()).toBe("30");
    send(0xf5);
    keyboard.release("KeyB");
    expect(drain()).toBe("fa");
    send(0xf4);
    keyboard.press("KeyC");
    expect(drain()).toBe("fa 2e");
  });

  it("repeats the last key: half a second, then 10.9 a second", () => {
    keyboard.press("KeyA");
    keyboard.press("KeyB");
    expect(drain()).toBe("1e 30");
    clock.advance(499_700_000);
    expect(status() & 1).toBe(0);
    clock.advance(500_000);
    expect(drain()).toBe("30");
    let repeats = 0;
    for (let i = 0; i < 1000; i++) {
      clock.advance(1_000_000);
      if ((status() & 1) !== 0) {
        repeats++;
        data();
      }
    }
    expect(repeats).toBeGreaterThanOrEqual(10);
    expect(repeats).toBeLessThanOrEqual(11);
    keyboard.release("KeyB");
    drain();
    clock.advance(2e9);
    expect(drain()).toBe("");
  });

  it("repeats faster when told to", () => {
    send(0xf3, 0x00);
    drain();
    keyboard.press("KeyA");
    drain();
    clock.advance(249_000_000);
    expect(status() & 1).toBe(0);
    clock.advance(2_000_000);
    expect(drain()).toBe("1e");
    clock.advance(33_400_000);
    expect(drain()).toBe("1e");
  });

  it("marks an overrun after sixteen bytes", () => {
    for (const key of "ABCDEFGHIJKLMNOPQRSTU") keyboard.press(`Key${key}`);
    const codes = drain().split(" ");
    expect(codes.length).toBe(1 + 16 + 1);
    expect(codes[17]).toBe("ff");
  });

  it("keeps what a person types while the guest does not read, without repeats, and lifts what was pressed", () => {
    const strokes = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ"].map((letter) => `Key${letter}`);
    for (const key of strokes) for (const down of [true, false]) keyboard.strike(key, down);
    clock.advance(2e9);
    let seen: number[] = [];
    for (let i = 0; i < 400; i++) {
      if ((status() & 1) !== 0) seen.push(data());
      clock.advance(7_000_000);
    }
    const codes = new Map(KEYS.map(({ name, set1 }) => [name, set1]));
    // 64 events wait: the first press is with the controller already, and no key beyond them stays down.
    expect(seen).toEqual(strokes.slice(0, 33).flatMap((key) => [codes.get(key)!, codes.get(key)! | 0x80]).slice(0, seen.length));
    expect(seen.length).toBeGreaterThanOrEqual(64);
    expect(seen.length % 2).toBe(0);
    seen = [];
    keyboard.strike("KeyA", true);
    for (let i = 0; i < 100; i++) {
      if ((status() & 1) !== 0) seen.push(data());
      clock.advance(7_000_000);
    }
    // Held, it repeats after half a second, 10.9 times in one.
    expect(seen).toEqual([0x1e, 0x1e, 0x1e, 0x1e]);
  });

  it("types a text at a pace that loses nothing, however slow the guest", () => {
    keyboard.type(textToKeys("Hi!"));
    let seen = "";
    for (let i = 0; i < 100; i++) {
      clock.advance(20_000_000);
      if ((status() & 1) !== 0) seen += `${data().toString(16)} `;
    }
    expect(seen).toBe("2a 23 a3 aa 17 97 2a 2 82 aa ");
    expect(keyboard.typing).toBe(0);
  });

  it("lifts all keys", () => {
    keyboard.press("ShiftLeft");
    keyboard.press("KeyA");
    drain();
    keyboard.releaseAll();
    expect(drain()).toBe("aa 9e");
  });
});

describe("mouse", () => {
  beforeEach(() => command(0x60, 0x47));

  const ask = (...bytes: number[]) => {
    let answers = "";
    for (const byte of bytes) {
      toMouse(byte);
      answers += `${drain()} `;
    }
    return answers.trim();
  };

  it("resets to an identity of 0 and does not report before it is enabled", () => {
    expect(ask(0xff)).toBe("fa aa 00");
    mouse.move(3, 4);
    expect(drain()).toBe("");
    expect(ask(0xf4)).toBe("fa");
    expect(drain()).toBe("");
  });

  it("sends movement with up positive, sign bits and buttons", () => {
    ask(0xf4);
    mouse.move(5, -3);
    expect(drain()).toBe("08 05 03");
    clock.advance(10_000_000);
    mouse.setButtons(3);
    expect(drain()).toBe("0b 00 00");
    clock.advance(10_000_000);
    mouse.move(-1, 2);
    expect(drain()).toBe("3b ff fe");
  });

  it("tells of a click that is over before the next sample, and where it was", () => {
    ask(0xf4);
    mouse.move(5, 0);
    mouse.move(3, 0);
    mouse.setButtons(1);
    mouse.setButtons(0);
    mouse.move(9, 0);
    let packets = "";
    for (let i = 0; i < 6; i++) {
      packets += `${drain()} `;
      clock.advance(10_000_000);
    }
    expect(packets.trim()).toBe("08 05 00 08 03 00 09 00 00 08 09 00");
  });

  it("adds up movement between samples and carries what does not fit", () => {
    ask(0xf4);
    mouse.move(1, 0);
    mouse.move(400, 0);
    mouse.move(100, 0);
    expect(drain()).toBe("08 01 00");
    clock.advance(10_000_000);
    expect(drain()).toBe("08 ff 00");
    clock.advance(10_000_000);
    expect(drain()).toBe("08 f5 00");
    clock.advance(10_000_000);
    expect(drain()).toBe("");
  });

  it("keeps to its sample rate", () => {
    ask(0xf3, 20, 0xf4);
    mouse.move(1, 1);
    expect(drain()).toBe("08 01 ff".replace("08", "28"));
    mouse.move(1, 0);
    clock.advance(48_000_000);
    expect(drain()).toBe("");
    clock.advance(2_000_000);
    expect(drain()).toBe("08 01 00");
  });

  it("becomes a wheel mouse and then a five-button mouse by the magic rates", () => {
    expect(ask(0xf3, 200, 0xf3, 100, 0xf3, 80, 0xf2)).toBe("fa fa fa fa fa fa fa 03");
    ask(0xf4);
    mouse.move(0, 0, -1);
    expect(drain()).toBe("08 00 00 ff");
    expect(ask(0xf3, 200, 0xf3, 200, 0xf3, 80, 0xf2)).toBe("fa fa fa fa fa fa fa 04");
    clock.advance(20_000_000);
    mouse.setButtons(0x18);
    mouse.move(0, 0, 1);
    expect(drain()).toBe("08 00 00 30");
    clock.advance(20_000_000);
    expect(drain()).toBe("08 00 00 31");
    expect(ask(0xff, 0xf2)).toBe("fa aa 00 fa 00");
  });

  it("answers status, remote reads, wrap and scaling", () => {
    ask(0xe8, 3, 0xf3, 60, 0xe7, 0xf4);
    mouse.setButtons(5);
    drain();
    expect(ask(0xe9)).toBe("fa 36 03 3c");
    expect(ask(0xf0)).toBe("fa");
    mouse.move(4, 0);
    expect(drain()).toBe("");
    expect(ask(0xeb)).toBe("fa 0d 04 00");
    expect(ask(0xee, 0x12, 0xe9, 0xec)).toBe("fa 12 e9 fa");
    expect(ask(0xea)).toBe("fa");
    clock.advance(20_000_000);
    mouse.move(4, -7);
    expect(drain()).toBe("0d 06 0e");
    expect(ask(0xf6, 0xe9)).toBe("fa fa 06 02 64");
  });

  it("rejects what it does not know", () => {
    expect(ask(0xe1, 0xe8, 7)).toBe("fe fa fe");
  });

  it("loses no packet that starts while the last byte of another is taken", () => {
    ask(0xf3, 200, 0xf4);
    mouse.move(1, 0);
    clock.advance(20_000_000);
    mouse.move(2, 0);
    expect(drain()).toBe("08 01 00 08 02 00");
  });
});

describeDevice("8042", () => {
  const clock = new ManualClock();
  const lines = [new Probe(), new Probe(), new Probe()] as const;
  const keyboard = new Ps2Keyboard({ clock });
  const mouse = new Ps2Mouse({ clock });
  const device = new Ps2I8042({ clock, irq1: lines[0], irq12: lines[1], a20: lines[2], resetPulse: () => {}, keyboard, mouse });
  // The three of them are saved together: the controller alone would find other devices on its cables.
  const together = {
    id: "8042 with devices",
    reset() {
      for (const part of [device, keyboard, mouse]) part.reset();
    },
    save: () => ({ device: device.save(), keyboard: keyboard.save(), mouse: mouse.save() }),
    load(state: Record<string, unknown>) {
      keyboard.load((state["keyboard"] ?? {}) as Record<string, unknown>);
      mouse.load((state["mouse"] ?? {}) as Record<string, unknown>);
      device.load((state["device"] ?? {}) as Record<string, unknown>);
    },
  };
  return {
    device: together,
    clock,
    regions: [{ region: device.dataRegion, size: 1 }, { region: device.commandRegion, size: 1 }],
    afterReset: [[1, 0, 0x10]],
    lines,
    stir: (n) => {
      const key = KEYS[n % KEYS.length]!;
      if (n % 3 === 0) keyboard.press(key.name);
      else if (n % 3 === 1) keyboard.release(key.name);
      else mouse.move((n & 0xff) - 128, ((n >> 8) & 0xff) - 128, (n >> 16) & 3);
      if (n % 64 === 0) keyboard.type(textToKeys("abc"));
    },
  };
});
