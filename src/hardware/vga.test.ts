// Expectations: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem.

import { beforeEach, describe, expect, it } from "vitest";
import { describeDevice, ManualClock } from "./describe-device.ts";
import type { Device, Region } from "./device.ts";
import { MODES, VgaHost } from "./vga-test-modes.ts";
import { Vga, VGA_FIRST_PORT } from "./vga.ts";

/** The same device with its planes as a string in snapshots: 256 KB compare slowly item by item. */
function withPlanesAsText(vga: Vga): Device {
  return {
    id: vga.id,
    reset: () => vga.reset(),
    save: () => ({ ...vga.save(), planes: Buffer.from(vga.memory.bytes).toString("latin1") }),
    load: (state) => vga.load({ ...state, planes: new Uint8Array(Buffer.from(String(state.planes), "latin1")) }),
  };
}

function part(region: Region, start: number): Region {
  return {
    read: (offset, width) => region.read(start + offset, width),
    write: (offset, width, value) => region.write(start + offset, width, value),
  };
}

describeDevice("Vga", () => {
  const clock = new ManualClock();
  const vga = new Vga(clock);
  return {
    device: withPlanesAsText(vga),
    clock,
    regions: [
      { region: vga.ports, size: 0x30 },
      { region: vga.window, size: 0x80 },
      { region: part(vga.window, 0x18000 - 0x40), size: 0x80 }, // where the maps A0000h and B8000h meet
    ],
    afterReset: [
      [0, 0x3cc - VGA_FIRST_PORT, 0],
      [0, 0x3c6 - VGA_FIRST_PORT, 0xff],
      [0, 0x3c4 - VGA_FIRST_PORT, 0],
      [1, 0, 0xff], // display memory is switched off
    ],
  };
});

let host: VgaHost;
beforeEach(() => {
  host = new VgaHost();
});

describe("registers", () => {
  it("read back what was written, through index and data", () => {
    host.setMode(MODES.planar640);
    for (const [port, values] of [
      [0x3c4, MODES.planar640.sequencer],
      [0x3ce, MODES.planar640.graphics],
      [0x3d4, MODES.planar640.crtc],
    ] as const) {
      values.forEach((value, index) => {
        host.out(port, index);
        expect([host.in(port), host.in(port + 1)]).toEqual([index, value]);
      });
    }
    MODES.planar640.attribute.forEach((value, index) => {
      host.in(0x3da);
      host.out(0x3c0, index);
      expect(host.in(0x3c1)).toBe(value);
    });
    expect(host.in(0x3cc)).toBe(0xe3);
  });

  it("a word write sets index and data at once", () => {
    host.vga.ports.write(0x3ce - VGA_FIRST_PORT, 2, 0xa508);
    expect(host.in(0x3cf)).toBe(0xa5);
  });

  it("the attribute port takes index and data in turn, and Input Status 1 starts over", () => {
    host.out(0x3c2, 0x01);
    host.in(0x3da);
    host.out(0x3c0, 0x05);
    host.out(0x3c0, 0x2a);
    host.out(0x3c0, 0x06);
    host.in(0x3da);
    host.out(0x3c0, 0x05); // an index again
    expect(host.in(0x3c1)).toBe(0x2a);
    expect(host.in(0x3c0)).toBe(0x05);
  });

  it("CRTC registers 0-7 are locked by bit 7 of 11h, apart from the line compare bit", () => {
    host.setMode(MODES.text80);
    host.crtc(0, 0x11);
    host.crtc(7, 0xff);
    host.crtc(9, 0x4d);
    const read = (index: number): number => {
      host.out(0x3d4, index);
      return host.in(0x3d5);
    };
    expect([read(0), read(7), read(9)]).toEqual([0x5f, 0x1f, 0x4d]);
    host.crtc(7, 0x00);
    expect(read(7)).toBe(0x0f);
    host.crtc(0x11, 0x0e);
    host.crtc(0, 0x11);
    expect(read(0)).toBe(0x11);
  });

  it("CRTC and status move between 3Dxh and 3Bxh with the colour bit", () => {
    host.out(0x3c2, 0x00);
    host.out(0x3b4, 0x0a);
    host.out(0x3b5, 0x33);
    expect(host.in(0x3b5)).toBe(0x33);
    expect(host.in(0x3d5)).toBe(0xff);
    expect(host.in(0x3da)).toBe(0xff);
    host.out(0x3c2, 0x01);
    expect(host.in(0x3d5)).toBe(0x33);
    expect(host.in(0x3b5)).toBe(0xff);
  });
});

describe("DAC", () => {
  it("counts red, green, blue and on to the next entry", () => {
    host.out(0x3c8, 0xff);
    for (const value of [1, 2, 0xff, 4, 5, 6]) host.out(0x3c9, value);
    expect(host.in(0x3c7)).toBe(0);
    host.out(0x3c7, 0xff);
    expect(host.in(0x3c7)).toBe(3);
    expect(Array.from({ length: 6 }, () => host.in(0x3c9))).toEqual([1, 2, 0x3f, 4, 5, 6]); // six bits each; 255 is followed by 0
    expect(host.in(0x3c8)).toBe(1);
  });

  it("stretches six bits to eight so that 3Fh is full brightness, and masks the index", () => {
    host.out(0x3c8, 3);
    for (const value of [0x3f, 0x20, 0]) host.out(0x3c9, value);
    expect(host.vga.dac.color(3)).toBe(0xff0082ff);
    host.out(0x3c6, 0x0f);
    expect(host.vga.dac.color(0xf3)).toBe(0xff0082ff);
  });
});

describe("beam", () => {
  it("gives mode 3 a frame of 449 lines at 70.09 Hz, retrace in lines 412 and 413", () => {
    host.setMode(MODES.text80);
    const lineNs = (100 * 9 * 1e9) / 28.322e6;
    const at = (line: number, part: number): number => {
      const clock = host.clock;
      const frame = 449 * lineNs;
      const base = Math.ceil(clock.nowNs() / frame) * frame;
      clock.advance(base + (line + part) * lineNs - clock.nowNs());
      return host.in(0x3da);
    };
    expect(at(0, 0.1)).toBe(0x00);
    expect(at(0, 0.9)).toBe(0x01); // horizontal blank
    expect(at(399, 0.1)).toBe(0x00);
    expect(at(400, 0.1)).toBe(0x01);
    expect(at(411, 0.5)).toBe(0x01);
    expect(at(412, 0.5)).toBe(0x09);
    expect(at(413, 0.5)).toBe(0x09);
    expect(at(414, 0.5)).toBe(0x01);
    expect(1e9 / (449 * lineNs)).toBeCloseTo(70.09, 1);
  });

  it("lets a program that waits for retrace see one each 1/60 s in mode 12h", () => {
    host.setMode(MODES.planar640);
    let rises = 0;
    let before = host.in(0x3da) & 8;
    for (let us = 0; us < 1_000_000; us += 20) {
      host.clock.advance(20_000);
      const now = host.in(0x3da) & 8;
      if (now && !before) rises++;
      before = now;
    }
    expect(rises).toBeGreaterThanOrEqual(59);
    expect(rises).toBeLessThanOrEqual(60);
  });
});

describe("memory window", () => {
  it("opens with the RAM enable bit and where the mode puts it", () => {
    host.setMode(MODES.text80);
    host.poke(0xb8000, 0x41);
    expect(host.peek(0xb8000)).toBe(0x41);
    expect(host.peek(0xa0000)).toBe(0xff);
    host.out(0x3c2, 0x65);
    expect(host.peek(0xb8000)).toBe(0xff);
  });

  it("is written into the version that a renderer watches, registers too", () => {
    host.setMode(MODES.chain256);
    const versions = [host.vga.version];
    host.poke(0xa0000, 1);
    versions.push(host.vga.version);
    host.out(0x3c8, 0);
    host.out(0x3c9, 1);
    versions.push(host.vga.version);
    host.crtc(0x0d, 1);
    versions.push(host.vga.version);
    expect(new Set(versions).size).toBe(4);
    host.peek(0xa0000);
    host.in(0x3da);
    expect(host.vga.version).toBe(versions[3]);
  });
});
