import { expect, it } from "vitest";
import { Expectation, ScreenMatcher } from "./expectation.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function stream(needle: string, text: string): boolean {
  const expectation = new Expectation(needle, bytes(needle), null);
  for (const byte of bytes(text)) expectation.byte(0, byte);
  return expectation.met;
}

it("finds a text in a stream, also behind a false start", () => {
  expect(stream("abc", "xxabcxx")).toBe(true);
  expect(stream("abc", "ababc")).toBe(true);
  expect(stream("aab", "aaaab")).toBe(true);
  expect(stream("abcabd", "abcabcabd")).toBe(true);
  expect(stream("abc", "abxc")).toBe(false);
  expect(stream("ü€", "über ü€")).toBe(true);
});

it("keeps streams apart", () => {
  const expectation = new Expectation("ab", bytes("ab"), null);
  expectation.byte(0, 0x61);
  expectation.byte(1, 0x62);
  expectation.byte("debug", 0x62);
  expect(expectation.met).toBe(false);
  expectation.byte(0, 0x62);
  expect(expectation.met).toBe(true);
});

it("finds a text within one row of the screen", () => {
  const matcher = new ScreenMatcher("login: ", []);
  expect(matcher.look(["boot", ""])).toBe(false);
  expect(matcher.look(["log", "in: "])).toBe(false);
  expect(matcher.look(["login: ", ""])).toBe(true);
});

it("does not take for new what stood there before", () => {
  const matcher = new ScreenMatcher("$ ", ["$ ", "", "", ""]);
  expect(matcher.look(["$ ", "", "", ""])).toBe(false);
  expect(matcher.look(["$ ls", "", "", ""])).toBe(false);
  expect(matcher.look(["$ ls", "file", "", ""])).toBe(false);
  expect(matcher.look(["$ ls", "file", "$ ", ""])).toBe(true);
});

it("follows a screen that scrolls", () => {
  const matcher = new ScreenMatcher("$ ", ["one", "two", "$ ls"]);
  expect(matcher.look(["two", "$ ls", "file"])).toBe(false);
  expect(matcher.look(["$ ls", "file", "more"])).toBe(false);
  expect(matcher.look(["file", "more", "$ "])).toBe(true);
});

it("takes a screen that was drawn anew for new", () => {
  const matcher = new ScreenMatcher("Menu", ["Menu", "a", "b"]);
  expect(matcher.look(["", "", ""])).toBe(false);
  expect(matcher.look(["Menu", "", ""])).toBe(true);
});
