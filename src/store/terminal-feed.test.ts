import { expect, it } from "vitest";
import { TerminalFeed } from "./terminal-feed.ts";

function sink(): { got: (Uint8Array | string)[]; done: (() => void)[]; write: (bytes: Uint8Array | string, done?: () => void) => void } {
  const got: (Uint8Array | string)[] = [], done: (() => void)[] = [];
  return { got, done, write: (bytes, drawn) => { got.push(bytes); if (drawn) done.push(drawn); } };
}

it("gives bytes on at once while the terminal keeps up", () => {
  const terminal = sink();
  const feed = new TerminalFeed(terminal);
  feed.write(Uint8Array.of(1));
  feed.write(Uint8Array.of(2));
  expect(terminal.got).toEqual([Uint8Array.of(1), Uint8Array.of(2)]);
});

it("waits for a terminal that does not, in order, and cuts a flood in the middle", () => {
  const terminal = sink();
  const feed = new TerminalFeed(terminal);
  const megabyte = (mark: number): Uint8Array => new Uint8Array(1 << 20).fill(mark);
  for (let mark = 1; mark <= 8; mark++) feed.write(megabyte(mark));
  expect(terminal.got).toHaveLength(1); // the first one is in flight, four are held, three are lost
  terminal.done.shift()?.();
  expect(terminal.got[1]).toContain("3,145,728 bytes skipped");
  for (let i = 0; i < 4; i++) terminal.done.shift()?.();
  expect(terminal.got.filter((own) => typeof own !== "string").map((own) => (own as Uint8Array)[0])).toEqual([1, 5, 6, 7, 8]);
});
