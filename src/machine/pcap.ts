// Packet files as tcpdump and Wireshark write them: "pcap" of libpcap, Ethernet frames, times in micro- or nanoseconds.
// draft-ietf-opsawg-pcap, "PCAP Capture File Format".

import { ImageError } from "../base/errors.ts";

const MICROSECONDS = 0xa1b2_c3d4, NANOSECONDS = 0xa1b2_3c4d;
const HEADER_BYTES = 24, RECORD_BYTES = 16, ETHERNET = 1, SNAP_LENGTH = 65535;

export interface TimedFrame {
  /** Nanoseconds since 1970 can exceed what a number holds exactly: milliseconds and the rest. */
  readonly timeMs: number;
  readonly bytes: Uint8Array;
}

export function pcapHeader(): Uint8Array {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES));
  view.setUint32(0, MICROSECONDS, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, SNAP_LENGTH, true);
  view.setUint32(20, ETHERNET, true);
  return new Uint8Array(view.buffer);
}

/** One frame, to be written behind the header or another frame. */
export function pcapRecord({ timeMs, bytes }: TimedFrame): Uint8Array {
  const record = new Uint8Array(RECORD_BYTES + bytes.length);
  const view = new DataView(record.buffer);
  const seconds = Math.floor(timeMs / 1000);
  view.setUint32(0, seconds, true);
  view.setUint32(4, Math.floor((timeMs - seconds * 1000) * 1000), true);
  view.setUint32(8, bytes.length, true);
  view.setUint32(12, bytes.length, true);
  record.set(bytes, RECORD_BYTES);
  return record;
}

/** The frames of a packet file, in its order. Throws an ImageError for anything else. */
export function readPcap(file: Uint8Array, name: string): readonly TimedFrame[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const refuse = (what: string): never => {
    throw new ImageError(`${name}: ${what} Give a packet file in the pcap format ("editcap -F pcap" makes one).`);
  };
  if (file.length < HEADER_BYTES) refuse("the file is too short.");
  const little = [MICROSECONDS, NANOSECONDS].includes(view.getUint32(0, true));
  const magic = view.getUint32(0, little);
  if (magic !== MICROSECONDS && magic !== NANOSECONDS) refuse("this is no packet file.");
  if ((view.getUint32(20, little) & 0xffff) !== ETHERNET) refuse("its packets are not Ethernet frames.");
  const perMs = magic === NANOSECONDS ? 1e6 : 1e3;
  const frames: TimedFrame[] = [];
  for (let at = HEADER_BYTES; at < file.length; ) {
    const length = at + RECORD_BYTES <= file.length ? view.getUint32(at + 8, little) : Infinity;
    if (at + RECORD_BYTES + length > file.length) refuse(`packet ${frames.length + 1} is cut off.`);
    const timeMs = view.getUint32(at, little) * 1000 + view.getUint32(at + 4, little) / perMs;
    frames.push({ timeMs, bytes: file.slice(at + RECORD_BYTES, at + RECORD_BYTES + length) });
    at += RECORD_BYTES + length;
  }
  return frames;
}
