import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock, Probe } from "./describe-device.ts";
import { Pit8254 } from "./pit-8254.ts";
import { SystemPorts, WiredOr } from "./system-ports.ts";

let clock: ManualClock;
let pit: Pit8254;
let a20: Probe;
let events: string[];
let ports: SystemPorts;

beforeEach(() => {
  clock = new ManualClock();
  pit = new Pit8254({ clock, irq0: new Probe() });
  a20 = new Probe();
  events = [];
  ports = new SystemPorts({
    clock,
    pit,
    a20,
    resetPulse: () => events.push("reset"),
    debug: { byte: (value) => events.push(`e9 ${value}`) },
    exit: (value) => events.push(`exit ${value}`),
    post: { byte: (value) => events.push(`post ${value}`) },
  });
});

describe("port 61h", () => {
  it("opens counter 2's gate and shows its OUT", () => {
    pit.region.write(3, 1, 0xb0);
    pit.region.write(2, 1, 100);
    pit.region.write(2, 1, 0);
    clock.advance(1e6);
    expect(ports.port61.read(0, 1) & 0x20).toBe(0);
    ports.port61.write(0, 1, 0x01);
    clock.advance(80_000);
    expect(ports.port61.read(0, 1) & 0x21).toBe(0x01);
    clock.advance(10_000);
    expect(ports.port61.read(0, 1) & 0x21).toBe(0x21);
  });

  it("toggles bit 4 with every refresh, 15.085 us apart", () => {
    let toggles = 0;
    let last = ports.port61.read(0, 1) & 0x10;
    for (let i = 0; i < 10_000; i++) {
      clock.advance(1_000);
      const now = ports.port61.read(0, 1) & 0x10;
      if (now !== last) toggles++;
      last = now;
    }
    expect(toggles).toBe(Math.floor(10e-3 / 15.0857e-6));
  });

  it("keeps the low four bits only and knows when the loudspeaker is on", () => {
    ports.port61.write(0, 1, 0xff);
    expect(ports.port61.read(0, 1) & 0xcf).toBe(0x0f);
    expect(ports.speakerOn).toBe(true);
    ports.port61.write(0, 1, 0xfd);
    expect(ports.speakerOn).toBe(false);
  });
});

describe("loudspeaker", () => {
  it("sounds at counter 2's frequency while both gates of port 61h are open", () => {
    pit.region.write(3, 1, 0xb6);
    pit.region.write(2, 1, 1193 & 0xff);
    pit.region.write(2, 1, 1193 >> 8);
    expect(ports.speakerHz).toBe(0);
    ports.port61.write(0, 1, 0x03);
    clock.advance(1e6);
    expect(Math.round(ports.speakerHz)).toBe(1000);
    ports.port61.write(0, 1, 0x02);
    expect(ports.speakerHz).toBe(0);
    ports.port61.write(0, 1, 0x01);
    clock.advance(1e6);
    expect(ports.speakerHz).toBe(0);
  });
});

describe("the loudspeaker's cone", () => {
  const moves: [atNs: number, hz: number, high: boolean][] = [];
  beforeEach(() => {
    moves.length = 0;
    ports = new SystemPorts({
      clock, pit, a20, resetPulse: () => {}, debug: { byte: () => {} }, exit: () => {},
      speaker: ({ hz, high }) => moves.push([clock.nowNs(), hz, high]),
    });
  });

  it("is moved by bit 1 of port 61h alone", () => {
    for (const bits of [0x02, 0x00, 0x02, 0x00]) {
      ports.port61.write(0, 1, bits);
      clock.advance(100_000);
    }
    expect(moves).toEqual([[0, 0, true], [100_000, 0, false], [200_000, 0, true], [300_000, 0, false]]);
  });

  it("goes out when counter 2 has run down, which a program counts a sample's width with", () => {
    pit.region.write(3, 1, 0x90); // counter 2, low byte, mode 0
    ports.port61.write(0, 1, 0x03);
    const pulses = [20, 55, 1];
    for (const width of pulses) {
      pit.region.write(2, 1, width);
      clock.advance(1e6 / 16);
    }
    // OUT is low from the write on; a count is loaded by the next pulse of CLK and runs down in N more (8254, mode 0).
    const cycleNs = 1e9 / 1_193_181.8;
    const highs = moves.filter(([, , high]) => high).map(([at]) => at), lows = moves.filter(([, , high]) => !high).map(([at]) => at);
    expect(highs.map((at, n) => Math.ceil((at - n * 1e6 / 16) / cycleNs - 0.01))).toEqual(pulses.map((width) => width + 1));
    expect(lows).toEqual([1e6 / 16, 2e6 / 16]);
    expect(moves.every(([, hz]) => hz === 0)).toBe(true);
  });
});

describe("reset and A20", () => {
  it("drives A20 by port 92h bit 1 and resets the processor when bit 0 rises", () => {
    ports.port92.write(0, 1, 0x02);
    expect([a20.level, ports.port92.read(0, 1)]).toEqual([true, 0x02]);
    ports.port92.write(0, 1, 0x01);
    ports.port92.write(0, 1, 0x01);
    expect([a20.level, events]).toEqual([false, ["reset"]]);
    ports.port92.write(0, 1, 0x00);
    ports.port92.write(0, 1, 0x03);
    expect(events).toEqual(["reset", "reset"]);
  });

  it("keeps A20 high while any source does", () => {
    const out = new Probe();
    const gate = new WiredOr(out);
    const [kbc, fast] = [gate.input(), gate.input()];
    kbc.set(true);
    fast.set(true);
    kbc.set(false);
    expect(out.level).toBe(true);
    fast.set(false);
    expect(out.level).toBe(false);
  });
});

describe("debug ports", () => {
  it("sends E9h to the console and reads as E9h", () => {
    ports.portE9.write(0, 1, 0x41);
    expect([events, ports.portE9.read(0, 1)]).toEqual([["e9 65"], 0xe9]);
  });

  it("ends the run by F4h and keeps the last POST code", () => {
    ports.portF4.write(0, 1, 3);
    ports.port80.write(0, 1, 0x55);
    expect([events, ports.port80.read(0, 1)]).toEqual([["exit 3", "post 85"], 0x55]);
  });
});

describeDevice("system ports", () => {
  const clock = new ManualClock();
  const pit = new Pit8254({ clock, irq0: new Probe() });
  const a20 = new Probe();
  const device = new SystemPorts({ clock, pit, a20, resetPulse: () => {}, debug: { byte: () => {} }, exit: () => {} });
  const regions = [device.port61, device.port80, device.port92, device.portE9, device.portF4].map((region) => ({ region, size: 1 }));
  return { device, clock, regions, afterReset: [[1, 0, 0], [2, 0, 0], [3, 0, 0xe9]], lines: [a20] };
});
