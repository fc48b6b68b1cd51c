import { describe, expect, it } from "vitest";
import { completeFilter } from "./filter-complete.ts";

const known = (field: string): readonly string[] => (field === "insn" ? ["CLI", "POPF"] : []);
const options = (source: string, caret = source.length): string[] => completeFilter(source, caret, known).options.map(({ text }) => text);

describe("completion of a filter", () => {
  it("offers fields where one is to come, by what is typed", () => {
    expect(options("")).toContain("insn");
    expect(options("ki")).toEqual(["kind"]);
    expect(options("kind == leak and vc")).toEqual(["vcpl"]);
    expect(options("(")).toContain("eip");
    expect(options("not ")).toContain("class");
  });

  it("offers operators and values of the field", () => {
    expect(options("kind ")).toEqual(["==", "!=", "contains"]);
    expect(options("eip ")).toContain("in");
    expect(options("kind == ")).toEqual(["exit", "leak", "observed"]);
    expect(options("kind == le")).toEqual(["leak"]);
    expect(options("reason == g")).toEqual(["#GP"]);
    expect(options("reason == hl")).toEqual(["VMX:HLT"]);
    expect(options("insn == po")).toEqual(["POPF"]);
    expect(options("technique == ")).toContain("vtx");
  });

  it("offers connectives behind a whole comparison, and nothing for what is there", () => {
    expect(options("kind == leak ")).toEqual(["and", "or"]);
    expect(options("kind == leak")).toEqual([]);
    expect(options("(kind == leak")).toEqual([]);
    expect(options("foo == 1 and ")).toEqual([]);
  });

  it("says what an option takes the place of, in the middle as well", () => {
    expect(completeFilter("kind == lea and t > 1", 11, known)).toMatchObject({ from: 8, to: 11, options: [{ text: "leak" }] });
    expect(completeFilter("kind == lea", 9, known)).toMatchObject({ from: 8, to: 11 });
  });
});
