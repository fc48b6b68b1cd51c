// Packet files of --net-pcap and --net-replay.

import type { Machine } from "../machine/machine.ts";
import { pcapHeader, pcapRecord, readPcap, type TimedFrame } from "../machine/pcap.ts";
import { openFile } from "./files.ts";
import { OutputFile } from "./output-file.ts";

/** Every frame on the wire, at guest time. */
export class PacketCapture {
  private readonly file: OutputFile;

  constructor(path: string, machine: Machine) {
    const file = new OutputFile("net-pcap", path);
    this.file = file;
    file.write(pcapHeader());
    const { clock, pc } = machine;
    pc.network.seen = (bytes) => file.write(pcapRecord({ timeMs: clock.epochMs + clock.nowNs() / 1e6, bytes }));
  }

  close(): void {
    this.file.close();
  }
}

export function packetsOf(path: string): readonly TimedFrame[] {
  const { source, name } = openFile(path);
  const bytes = new Uint8Array(source.size);
  source.read(0, bytes);
  return readPcap(bytes, name);
}
