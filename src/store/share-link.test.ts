import { describe, expect, it } from "vitest";
import type { GuestCard } from "./guests.ts";
import { DEFAULT_OPTIONS } from "./session.ts";
import { shareQuery } from "./share-link.ts";
import { parsePageParameters } from "./url-parameters.ts";

const popf: GuestCard = { id: "popf", file: "popf.img", title: "POPF", description: "", see: "", technique: "trap", ring: 1, memoryBytes: 16 << 20, picture: "" };
const usual = { ...DEFAULT_OPTIONS, view: "learn" }, nothing = { guest: null, image: null, options: DEFAULT_OPTIONS, filter: "", view: "learn", lab: null };

describe("a link that opens the page as it is", () => {
  it("says only what is not as usual", () => {
    expect(shareQuery(nothing, usual).toString()).toBe("");
    expect(shareQuery({ ...nothing, guest: popf, options: { ...DEFAULT_OPTIONS, technique: "trap", memoryBytes: 16 << 20 } }, usual).toString()).toBe("guest=popf");
  });

  it("is read back as it was meant", () => {
    const options = { ...DEFAULT_OPTIONS, technique: "vtx" as const, ring: 3 as const, memoryBytes: 64 << 20, clock: "virtual" as const, set: { umip: true, vme: false, shadow: "drop-all" as const, "scan-depth": 3 } };
    const parsed = parsePageParameters(shareQuery({ guest: popf, image: null, options, filter: 'kind == leak and insn == "popf"', view: "debug", lab: "L1" }, usual).toString());
    expect(parsed).toMatchObject({ ...options, guest: "popf", filter: 'kind == leak and insn == "popf"', view: "debug", lab: "L1", problems: [] });
    expect(parsePageParameters(shareQuery({ ...nothing, image: "https://example.org/a b.img?x=1&y" }, usual).toString())).toMatchObject({ image: "https://example.org/a b.img?x=1&y", problems: [] });
  });
});
