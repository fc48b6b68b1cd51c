import { expect, it } from "vitest";
import { UsageError } from "../base/errors.ts";
import { parseScript } from "./script.ts";

it("reads every kind of step", () => {
  const steps = parseScript('# a comment\n\n  expect "login:"  # and another\nsend "root\\n"\nkeys "ls<Enter>"\nwait 1.5\ntechnique trap\r\n', "s");
  expect(steps).toEqual([
    { kind: "expect", quoted: { text: "login:", bytes: Uint8Array.from(Buffer.from("login:")) } },
    { kind: "send", bytes: Uint8Array.from(Buffer.from("root\n")) },
    { kind: "keys", text: "ls<Enter>" },
    { kind: "wait", seconds: 1.5 },
    { kind: "technique", technique: "trap" },
  ]);
});

it("knows the escapes; \\xNN is one byte, other characters are UTF-8", () => {
  const [step] = parseScript('send "\\n\\r\\t\\x1b\\xff\\"\\\\#é"', "s");
  expect(step).toEqual({ kind: "send", bytes: Uint8Array.of(10, 13, 9, 0x1b, 0xff, 0x22, 0x5c, 0x23, 0xc3, 0xa9) });
});

it.each([
  ['expect login', "double quotes"],
  ['expect "login', "closing quote"],
  ['expect ""', "not empty"],
  ['send "a" "b"', "behind the closing quote"],
  ['send "\\q"', "no escape"],
  ['send "\\x4"', "no escape"],
  ['keys "\\x01"', "no key"],
  ["wait long", "number of seconds"],
  ["wait -1", "number of seconds"],
  ["technique magic", "emulate, trap"],
  ["", "no steps"],
])("refuses %j", (line, text) => {
  expect(() => parseScript(line, "file")).toThrow(UsageError);
  expect(() => parseScript(line, "file")).toThrow(text);
});

it("names the line", () => {
  expect(() => parseScript('wait 1\nwait 2\nsleep 3\n', "file")).toThrow("file, line 3");
});
