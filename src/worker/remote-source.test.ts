import { describe, expect, it } from "vitest";
import { ImageError } from "../base/errors.ts";
import { type AskRange, remoteSource } from "./remote-source.ts";

const SIZE = 1_000_000;
const byteAt = (at: number): number => (at * 7 + (at >> 8)) & 0xff;
const URL = "https://example.org/disk.img";

function server(asked: [number, number][], change: (answer: { status: number; contentRange: string | null; bytes: Uint8Array }) => object = () => ({})): AskRange {
  return (_, first, last) => {
    asked.push([first, last]);
    const answer = { status: 206, contentRange: `bytes ${first}-${last}/${SIZE}`, bytes: Uint8Array.from({ length: last - first + 1 }, (_value, i) => byteAt(first + i)) };
    return { ...answer, ...change(answer) };
  };
}

describe("remoteSource", () => {
  it("asks for what is read, in large parts, and once", () => {
    const asked: [number, number][] = [];
    const source = remoteSource({ url: URL, size: SIZE }, server(asked));
    const bytes = new Uint8Array(1000);
    source.read(262_000, bytes);
    source.read(262_500, bytes);
    expect(bytes.every((byte, i) => byte === byteAt(262_500 + i))).toBe(true);
    source.read(SIZE - 10, bytes.subarray(0, 10));
    expect(asked).toEqual([[0, 262_143], [262_144, 524_287], [786_432, SIZE - 1]]);
  });

  it.each<[string, object, RegExp]>([
    ["ignores the range", { status: 200 }, /HTTP 200/],
    ["does not say which part it sent", { contentRange: null }, /another part/],
    ["sends another part", { contentRange: `bytes 1-262144/${SIZE}` }, /another part/],
    ["sends too little", { bytes: new Uint8Array(5) }, /another part/],
    ["has another file now", { contentRange: `bytes 0-262143/${SIZE + 1}` }, /has changed/],
  ])("refuses a server that %s", (_, change, message) => {
    const asked: [number, number][] = [];
    const source = remoteSource({ url: URL, size: SIZE }, server(asked, () => change));
    expect(() => source.read(0, new Uint8Array(10))).toThrow(message);
    expect(() => source.read(0, new Uint8Array(10))).toThrow(ImageError);
  });

  it("tries again when the connection fails, and says so when it does not come back", () => {
    let failures = 2;
    const asked: [number, number][] = [];
    const answer = server(asked);
    const flaky: AskRange = (...range) => {
      if (failures-- > 0) throw new Error("NetworkError");
      return answer(...range);
    };
    const source = remoteSource({ url: URL, size: SIZE }, flaky);
    source.read(0, new Uint8Array(10));
    expect(asked).toHaveLength(1);
    failures = Infinity;
    expect(() => source.read(SIZE - 1, new Uint8Array(1))).toThrow(/does not answer any more/);
  });
});
