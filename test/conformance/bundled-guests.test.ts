// The committed guests are whole and agree with what is said about them. Running them is test/guests' business.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { guestCards, guestExpectation, guestImage, parseTechniqueKey, sum } from "../support/guest-expectations.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const sources = readdirSync(`${root}guests`).filter((name) => name.endsWith(".asm")).map((name) => name.slice(0, -4));
const TECHNIQUES = ["emulate", "trap", "int3", "scan", "lite", "hybrid", "translate", "paravirt", "vtx"];
const OUTCOMES = ["exit-success", "exit-failure", "halted", "power-off", "triple-fault", "technique-refused"];
const node = (...args: string[]) => spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
const nasm = spawnSync("nasm", ["-v"]).error === undefined;

describe("bundled guests", () => {
  it("has a card for each source and a source for each card", () => {
    expect(guestCards().map((card) => card.id).sort()).toEqual(sources.sort());
    for (const card of guestCards()) {
      expect(card.file).toBe(`${card.id}.img`);
      expect(TECHNIQUES).toContain(card.technique);
      expect([1, 3]).toContain(card.ring);
      expect(card.memory).toMatch(/^\d+M$/);
    }
  });

  it.each(sources)("%s is a bootable floppy image without a partition table", (id) => {
    const image = guestImage(id);
    expect(image.length % 512).toBe(0);
    expect(image.length).toBeGreaterThanOrEqual(512);
    expect(image.length).toBeLessThanOrEqual(1_474_560);
    expect([image[510], image[511]]).toEqual([0x55, 0xaa]);
    expect(image.subarray(446, 510).every((byte) => byte === 0)).toBe(true);
  });

  it.each(sources)("%s: expectation is complete and its tables sum to one total", (id) => {
    const expected = guestExpectation(id);
    expect(OUTCOMES).toContain(expected.end);
    expect(expected.serial !== undefined || expected.script !== undefined).toBe(true);
    for (const ring of [1, 3]) expect(Object.keys(expected.techniques)).toContain(`trap/${ring}`);
    for (const [key, technique] of Object.entries(expected.techniques)) {
      expect(TECHNIQUES).toContain(parseTechniqueKey(key).technique);
      if (technique.end !== undefined) expect(OUTCOMES).toContain(technique.end);
      for (const [phase, counts] of Object.entries(technique.phases ?? {})) {
        expect(Object.keys(expected.phases)).toContain(phase);
        expect(sum(counts.traps.byInstruction), `${key}, phase ${phase}`).toBe(sum(counts.traps.byReason));
        // Where the kernel does not run on the silicon as it is, the closing OUT is emulated, a callout or a hypercall: all 16-bit code under lite, too.
        const emulated = parseTechniqueKey(key).technique === "lite" && sum(counts.traps.byReason) === 0;
        if (!emulated && !["hybrid", "translate", "paravirt"].includes(parseTechniqueKey(key).technique)) {
          expect(counts.traps.byInstruction["OUT"]).toBeGreaterThanOrEqual(1);
        }
      }
    }
  });

  it("states for priv what the model of the manual says", () => {
    const run = node("guests/priv-model.mjs", "--check");
    expect(run.stderr).toBe("");
    expect(run.status).toBe(0);
  });

  it.skipIf(!nasm)("builds the committed images from the sources (needs nasm)", () => {
    const run = node("scripts/build-guests.mjs", "--check");
    expect(run.stderr).toBe("");
    expect(run.status).toBe(0);
  });
});
