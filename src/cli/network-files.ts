// Packet files of --net-pcap and --net-replay.

import { closeSync, openSync, writeSync } from "node:fs";
import type { Machine } from "../machine/machine.ts";
import { pcapHeader, pcapRecord, readPcap, type TimedFrame } from "../machine/pcap.ts";
import { ImageError } from "../base/errors.ts";
import { openFile } from "./files.ts";

/** Every frame on the wire, at guest time. */
export class PacketCapture {
  private readonly descriptor: number;

  constructor(path: string, machine: Machine) {
    try {
      this.descriptor = openSync(path, "w");
    } catch (error) {
      throw new ImageError(`${path} cannot be written (${(error as Error).message}).`);
    }
    writeSync(this.descriptor, pcapHeader());
    const { clock, pc } = machine;
    pc.network.seen = (bytes) => writeSync(this.descriptor, pcapRecord({ timeMs: clock.epochMs + clock.nowNs() / 1e6, bytes }));
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

export function packetsOf(path: string): readonly TimedFrame[] {
  const { source, name } = openFile(path);
  const bytes = new Uint8Array(source.size);
  source.read(0, bytes);
  return readPcap(bytes, name);
}
