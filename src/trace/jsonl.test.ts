import { describe, expect, it } from "vitest";
import { csvHeader, csvLine } from "./csv.ts";
import { jsonlHeader, jsonlLine, LogFormatError, readJsonl } from "./jsonl.ts";
import { testExit, testTrap } from "./test-trap.ts";

const header = { technique: "trap", ring: 1, set: { umip: true }, image: "sha256:00ff" } as const;

describe("JSON lines", () => {
  it("starts with the header that readers look for", () => {
    expect(jsonlHeader(header)).toBe('{"format":"trapscope-trap-log","version":1,"technique":"trap","ring":1,"set":{"umip":true},"image":"sha256:00ff"}\n');
    expect(JSON.parse(jsonlHeader({ technique: "emulate", ring: 3, set: {} }))).not.toHaveProperty("image");
  });

  it("writes the fields in their fixed order and leaves out those that do not apply", () => {
    const line = jsonlLine(testTrap(), header);
    expect(Object.keys(JSON.parse(line) as object)).toEqual([
      "seq", "kind", "instruction", "text", "bytes", "cs", "eip", "linear", "icount", "timeNs", "vcpl", "hcpl", "mode", "action", "observed", "expected", "effect",
    ]);
    expect(JSON.parse(line)).toMatchObject({ bytes: "9d", eip: 0xc0100042, mode: "pm32" });
    expect(Object.keys(JSON.parse(jsonlLine(testExit(), header)) as object)).toEqual([
      "seq", "kind", "instruction", "text", "bytes", "cs", "eip", "linear", "icount", "timeNs", "vcpl", "hcpl", "mode", "reason", "vector", "error", "action", "effect",
    ]);
    const irq = JSON.parse(jsonlLine(testExit({ instruction: "IRQ", bytes: null, text: null, reason: "IRQ", vector: 8, error: null }), header));
    expect(irq).not.toHaveProperty("bytes");
    expect(irq).not.toHaveProperty("text");
    expect(irq).not.toHaveProperty("error");
  });

  it("reads back what it wrote", () => {
    const traps = [testTrap(), testExit({ seq: 8, technique: "scan" }), testExit({ seq: 9, instruction: "IRQ", bytes: null, text: null })];
    const read = readJsonl(jsonlHeader(header) + traps.map((trap) => jsonlLine(trap, header, new Set([8]))).join(""));
    expect(read.traps).toEqual(traps);
    expect([...read.marks]).toEqual([8]);
    expect(read.header).toMatchObject(header);
  });

  it.each([
    ["", "empty"],
    ["hello", "not JSON"],
    ['{"a":1}', "no trap log"],
    ['{"format":"trapscope-trap-log","version":2}', "Version 2"],
    [`${jsonlHeader(header)}{`, "Line 2 is not JSON"],
    [`${jsonlHeader(header)}{"kind":"exit"}`, 'Line 2: "seq"'],
    [`${jsonlHeader(header)}{"kind":"trap","seq":1}`, 'Line 2: "kind"'],
  ])("refuses %j", (text, message) => {
    expect(() => readJsonl(text)).toThrow(LogFormatError);
    expect(() => readJsonl(text)).toThrow(message);
  });
});

describe("CSV", () => {
  it("has one column a field and quotes what needs it", () => {
    const names = csvHeader().trimEnd().split(",");
    const line = csvLine(testExit({ text: 'mov eax, "x"', observed: null }), new Set());
    expect(line).toContain('"mov eax, ""x"""');
    expect(csvLine(testTrap(), new Set([7])).trimEnd().split(",").length).toBe(names.length + 1); // the effect holds one comma, quoted
  });
});
