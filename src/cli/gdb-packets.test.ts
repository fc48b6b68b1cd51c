import { describe, expect, it } from "vitest";
import { bytesOfHex, framePacket, hexOf, PacketReader } from "./gdb-packets.ts";

function readAll(...chunks: string[]): string[] {
  const seen: string[] = [];
  const reader = new PacketReader({
    packet: (text) => seen.push(`packet ${text}`), interrupt: () => seen.push("interrupt"), acknowledged: () => seen.push("+"),
    sendAgain: () => seen.push("-"), damaged: () => seen.push("damaged"),
  });
  for (const chunk of chunks) reader.feed(Buffer.from(chunk, "latin1"));
  return seen;
}
const framed = (text: string): string => Buffer.from(framePacket(text)).toString("latin1");

// Packets and checksums as the manual's "Overview" defines them: the sum of the characters between $ and #, modulo 256.
describe("packets", () => {
  it("carry a checksum", () => {
    expect([framed("OK"), framed("")]).toEqual(["$OK#9a", "$#00"]);
  });

  it("escape what would end or begin something", () => {
    expect(framed("a#b$c}d*")).toBe("$a}\x03b}\x04c}]d}\n#ec");
    expect(readAll(framed("a#b$c}d*"))).toEqual(["packet a#b$c}d*"]);
  });

  it("come in any pieces, with acknowledgements and Ctrl+C between them", () => {
    expect(readAll("+$g#6", "7\x03-$m1000,", "4#8e")).toEqual(["+", "packet g", "interrupt", "-", "packet m1000,4"]);
  });

  it("are asked for again where the checksum is wrong", () => {
    expect(readAll("$g#68", "$g#67")).toEqual(["damaged", "packet g"]);
  });

  it("begin anew with every dollar sign", () => {
    expect(readAll("$half$g#67")).toEqual(["packet g"]);
  });

  it("hold bytes as hexadecimal digits", () => {
    expect(hexOf(Uint8Array.of(0, 0x9f))).toBe("009f");
    expect(bytesOfHex("009F")).toEqual(Uint8Array.of(0, 0x9f));
    expect([bytesOfHex("0"), bytesOfHex("0g")]).toEqual([null, null]);
  });
});
