import { describe, expect, it } from "vitest";
import { ManualClock } from "../hardware/describe-device.ts";
import { Network } from "./network.ts";
import { pcapHeader, pcapRecord, readPcap } from "./pcap.ts";

const frame = (n: number) => Uint8Array.of(n, n, n);
function network() {
  const clock = new ManualClock();
  const net = new Network(clock);
  const received: [number, number][] = [], seen: string[] = [];
  net.receive = (bytes) => received.push([bytes[0]!, clock.nowNs()]);
  net.seen = (bytes, fromGuest) => seen.push(`${fromGuest ? "out" : "in"} ${bytes[0]}`);
  return { clock, net, received, seen };
}

describe("network", () => {
  it("returns frames by loopback and shows both directions", () => {
    const { net, received, seen } = network();
    net.transmit(frame(1));
    net.kind = "loopback";
    net.transmit(frame(2));
    expect([received, seen]).toEqual([[[2, 0]], ["out 1", "out 2", "in 2"]]);
  });

  it("delivers recorded frames with the gaps they were recorded with", () => {
    const { clock, net, received } = network();
    clock.advance(1000);
    net.replay([{ timeMs: 5000, bytes: frame(1) }, { timeMs: 5000.5, bytes: frame(2) }, { timeMs: 5000.5, bytes: frame(3) }, { timeMs: 5002, bytes: frame(4) }]);
    clock.advance(1e6);
    expect(received).toEqual([[1, 1000], [2, 501_000], [3, 501_000]]);
    clock.advance(1e6);
    expect(received[3]).toEqual([4, 2_001_000]);
  });
});

describe("packet files", () => {
  const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

  it("are read as they were written", () => {
    const file = join(pcapHeader(), pcapRecord({ timeMs: 1_045_232_310_123.25, bytes: frame(7) }), pcapRecord({ timeMs: 1_045_232_311_000, bytes: frame(8) }));
    // The header of the format's specification: magic, version 2.4, snapshot length, Ethernet.
    expect([...file.subarray(0, 8), ...file.subarray(16, 24)]).toEqual([0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0]);
    expect(readPcap(file, "f")).toEqual([{ timeMs: 1_045_232_310_123.25, bytes: frame(7) }, { timeMs: 1_045_232_311_000, bytes: frame(8) }]);
  });

  it("may be big-endian and in nanoseconds", () => {
    const file = Uint8Array.of(0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0x0f, 0x42, 0x40, 0, 0, 0, 1, 0, 0, 0, 1, 9);
    expect(readPcap(file, "f")).toEqual([{ timeMs: 2001, bytes: Uint8Array.of(9) }]);
  });

  it("are refused when they are something else or cut off", () => {
    expect(() => readPcap(new Uint8Array(40), "f.pcap")).toThrow(/f\.pcap: this is no packet file/);
    expect(() => readPcap(join(pcapHeader(), pcapRecord({ timeMs: 0, bytes: frame(1) }).subarray(0, 18)), "f")).toThrow(/packet 1 is cut off/);
    const wifi = pcapHeader();
    wifi[20] = 105;
    expect(() => readPcap(wifi, "f")).toThrow(/not Ethernet/);
  });
});
