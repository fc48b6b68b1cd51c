// @vitest-environment happy-dom
import type { IBuffer, IBufferCell, IBufferLine } from "@xterm/xterm";
import { describe, expect, it } from "vitest";
import { SOUND_BYTES, SoundReader, SoundWriter } from "../../protocol/sound-view.ts";
import { changedLines } from "./changed-lines.ts";
import { findText } from "./console-search.ts";
import { serialCharacter, serialKey } from "./key-row-keys.ts";
import { type AudioPlace, ConeLevel, SpeakerPlayer } from "./speaker.ts";

const NONE = { control: false, alt: false, shift: false };

describe("keys of the row on a serial line", () => {
  // VT220 Programmer Reference Manual; xterm, "PC-Style Function Keys".
  it.each([
    ["Escape", NONE, false, "\x1b"], ["Tab", { ...NONE, shift: true }, false, "\x1b[Z"], ["ArrowUp", NONE, false, "\x1b[A"], ["ArrowUp", NONE, true, "\x1bOA"], ["ArrowLeft", { ...NONE, control: true }, true, "\x1b[1;5D"],
    ["F1", NONE, false, "\x1bOP"], ["F5", NONE, false, "\x1b[15~"], ["F12", { ...NONE, shift: true }, false, "\x1b[24;2~"], ["Delete", NONE, false, "\x1b[3~"], ["PrintScreen", NONE, false, ""],
  ])("%s", (code, modifiers, application, sent) => expect(serialKey(code, modifiers, application)).toBe(sent));

  it("turn characters into control characters", () => {
    expect([serialCharacter("c", { ...NONE, control: true }), serialCharacter("[", { ...NONE, control: true }), serialCharacter("ä", { ...NONE, control: true }), serialCharacter("x", { ...NONE, alt: true })])
      .toEqual(["\x03", "\x1b", "ä", "\x1bx"]);
  });
});

/** Rows of a terminal; a leading ">" marks one that goes on the row before. A wide character is followed by "_". */
function buffer(rows: readonly string[]): IBuffer {
  const lines = rows.map((row): IBufferLine => {
    const characters = [...row.replace(/^>/, "")];
    const cell = (column: number): IBufferCell => ({ getChars: () => (characters[column] === "_" ? "" : (characters[column] ?? "")), getWidth: () => (characters[column] === "_" ? 0 : characters[column + 1] === "_" ? 2 : 1) }) as IBufferCell;
    return { isWrapped: row.startsWith(">"), length: characters.length, getCell: cell, translateToString: () => row };
  });
  return { length: lines.length, getLine: (row: number) => lines[row] } as unknown as IBuffer;
}

describe("search in a terminal", () => {
  it("finds any case, across the ends of wrapped rows, and behind wide characters", () => {
    expect(findText(buffer(["Abc abc ", "xx  aB", ">C     "]), 6, "ABC")).toEqual([
      { start: { row: 0, column: 0 }, cells: 3 }, { start: { row: 1, column: 4 }, cells: 3 },
    ]);
    expect(findText(buffer(["日_本_abc "]), 8, "abc")).toEqual([{ start: { row: 0, column: 4 }, cells: 3 }]);
    expect(findText(buffer(["ab", "c "]), 2, "abc")).toEqual([]);
    expect(findText(buffer(["aaaa"]), 4, "aa")).toHaveLength(2);
  });
});

describe("what is spoken", () => {
  it("is what came, not what scrolled, nor a clock", () => {
    expect(changedLines("one\ntwo\n10:00", "two\nthree\n10:01\n$ ")).toEqual(["three", "$"]);
  });
});

describe("the speaker", () => {
  it("plays changes a little later, as far apart as the guest made them, and is silent while it stands still", () => {
    const memory = new ArrayBuffer(SOUND_BYTES), writer = new SoundWriter(memory, 0), reader = new SoundReader(memory, 0);
    const heard: [number, number, boolean][] = [];
    let silences = 0, currentTime = 10;
    const audio: AudioPlace = { get currentTime() { return currentTime; }, schedule: (at, { hz, high }) => heard.push([Math.round(at * 1000), hz, high]), silence: () => silences++ };
    const player = new SpeakerPlayer(audio);
    player.pump(reader, true);
    writer.write({ timeNs: 5e9, hz: 440, high: false });
    writer.write({ timeNs: 5.05e9, hz: 0, high: true });
    player.pump(reader, true);
    expect(heard).toEqual([[10_060, 440, false], [10_110, 0, true]]);
    // A guest that was asleep: no sound waits for the time that passed.
    currentTime = 12;
    writer.write({ timeNs: 9e9, hz: 880, high: false });
    player.pump(reader, true);
    expect(heard.at(-1)).toEqual([12_060, 880, false]);
    player.pump(reader, false);
    player.pump(reader, false);
    expect(silences).toBe(1);
    currentTime = 20;
    player.pump(reader, true);
    expect(heard.at(-1)).toEqual([20_060, 880, false]);
  });
});

describe("the loudspeaker's cone", () => {
  /** What is heard of each sample: what was set last for its time, or what held before. */
  function heard(changes: readonly (readonly [level: number, at: number])[], samples: number): number[] {
    const values = new Map<number, number>(), cone = new ConeLevel(1000, (value, at) => values.set(Math.round(at * 1000), value));
    for (const [level, at] of changes) cone.to(level, at);
    let last = 0;
    return Array.from({ length: samples }, (_, n) => (last = values.get(n) ?? last)).map((value) => Math.round(value * 1000) / 1000);
  }

  it("is heard on average over each sample", () => {
    expect(heard([[1, 0.001], [0, 0.003]], 5)).toEqual([0, 1, 1, 0, 0]);
    // A pulse of a quarter of a sample, one that reaches from half of a sample into the next, and two in one sample.
    expect(heard([[1, 0.0011], [0, 0.00135], [1, 0.0025], [0, 0.0032], [1, 0.004], [0, 0.0041], [1, 0.0046], [0, 0.0048]], 7)).toEqual([0, 0.25, 0.5, 0.2, 0.3, 0, 0]);
  });
});
