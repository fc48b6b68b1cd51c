// The trap log and the JSON of a run: lossless, exact, and the same bytes for the same run.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bootSector, cliStiGuest, exitGuest, keyGuest, rebootGuest } from "./boot-sectors.ts";
import { openTrapscope, type RunJson, type Trapscope } from "./trapscope.ts";

let cli: Trapscope;
beforeAll(() => {
  cli = openTrapscope();
});
afterAll(() => cli.close());

type Line = Record<string, unknown>;

async function logged(guest: string, ...args: string[]): Promise<{ result: RunJson; header: Line; records: Line[]; text: string }> {
  const file = join(cli.folder, "log.jsonl");
  const result = await cli.json(["run", guest, "--trap-log", file, ...args]);
  const text = readFileSync(file, "utf8");
  const [header, ...records] = text.trimEnd().split("\n").map((line) => JSON.parse(line) as Line);
  return { result, header: header!, records, text };
}

const sum = (table: Record<string, number>): number => Object.values(table).reduce((total, count) => total + count, 0);

describe("--json", () => {
  it("has the fields that are fixed", async () => {
    const result = await cli.json(["run", cli.file("guest.img", exitGuest(0))]);
    expect(Object.keys(result).sort()).toEqual(
      [
        "version", "outcome", "reason", "exitCode", "technique", "ring", "clock", "instructions", "emulatedInstructions", "wallSeconds", "guestSeconds",
        "mips", "traps", "callouts", "leaks", "observed", "notices", "exitValue", "peakRssBytes", "serialTail", "screenText", "statistics",
      ].sort(),
    );
    expect(result).toMatchObject({ version: 1, technique: "emulate", ring: 1, clock: "virtual", callouts: { total: 0 }, notices: [] });
  });

  it("has the same fields for a refusal and a usage error", async () => {
    const fields = Object.keys(await cli.json(["run", cli.file("guest.img", exitGuest(0))]));
    expect(Object.keys(await cli.json(["run", "absent.img"]))).toEqual(fields);
    expect(Object.keys(await cli.json(["run", "--turbo"]))).toEqual(fields);
  });

  it("observes under emulate what would be sensitive, and counts no trap", async () => {
    const few = await cli.json(["run", cli.file("few.img", cliStiGuest(1))]);
    const many = await cli.json(["run", cli.file("many.img", cliStiGuest(101))]);
    expect([few.traps.total, many.traps.total, many.leaks.total]).toEqual([0, 0, 0]);
    expect(many.observed.byInstruction["CLI"]! - few.observed.byInstruction["CLI"]!).toBe(100);
    expect(many.observed.byInstruction["STI"]! - few.observed.byInstruction["STI"]!).toBe(100);
  });
});

describe("--trap-log", () => {
  it("names the run in its first line", async () => {
    const image = exitGuest(0);
    const { header } = await logged(cli.file("guest.img", image), "--technique", "trap", "--ring", "3", "--set", "umip=on");
    expect(header).toEqual({
      format: "trapscope-trap-log", version: 1, technique: "trap", ring: 3, set: { umip: true },
      image: `sha256:${createHash("sha256").update(image).digest("hex")}`,
    });
  });

  it("has a record for each trap, in order, more of them than the ring holds", async () => {
    // 200 x 250 pairs of CLI and STI: 100,000 exits on top of what the firmware does; the ring has 65,536 records.
    // mov di,200 / outer: mov cx,250 / inner: cli / sti / loop inner / dec di / jnz outer / exit 0
    const guest = bootSector("bfc800 b9fa00 fa fb e2fc 4f 75f6 b000 e6f4");
    const { result, records } = await logged(cli.file("loop.img", guest), "--technique", "trap", "--log", "exit");
    expect(result.outcome).toBe("exit-success");
    expect(result.traps.total).toBeGreaterThan(100_000);
    expect(records).toHaveLength(result.traps.total);
    expect(records.every((record, index) => record["seq"] === index && record["kind"] === "exit")).toBe(true);
    const counted: Record<string, number> = {};
    for (const record of records) counted[record["instruction"] as string] = (counted[record["instruction"] as string] ?? 0) + 1;
    expect(counted).toEqual(result.traps.byInstruction);
    expect([sum(result.traps.byInstruction), sum(result.traps.byReason)]).toEqual([result.traps.total, result.traps.total]);
  });

  it("goes on through a reboot", async () => {
    const once = await logged(cli.file("exit.img", exitGuest(0)), "--technique", "trap");
    const twice = await logged(cli.file("reboot.img", rebootGuest()), "--technique", "trap");
    expect(twice.records.length).toBeGreaterThan(1.5 * once.records.length);
    expect(twice.records).toHaveLength(twice.result.traps.total + twice.result.leaks.total);
  });

  it("writes the kinds that are asked for and what passes the filter; counts stay whole", async () => {
    const all = await logged("popf", "--technique", "trap", "--log", "exit,leak,observed");
    expect(all.records).toHaveLength(all.result.traps.total + all.result.leaks.total + all.result.observed.total);
    const leaks = await logged("popf", "--technique", "trap", "--log", "leak");
    expect(leaks.records.map((record) => record["instruction"])).toEqual(["PUSHF", "POPF"]);
    expect(leaks.records[1]).toMatchObject({ kind: "leak", text: "popfd", bytes: "9d", mode: "pm32", vcpl: 0, action: "lost-write" });
    const filtered = await logged("popf", "--technique", "trap", "--filter", "kind == leak && insn == popfd");
    expect(filtered.records).toHaveLength(1);
    expect(filtered.result.traps).toEqual(leaks.result.traps);
    expect(filtered.result.leaks.first).toMatchObject({ instruction: "PUSHF", consequence: expect.stringContaining("IF=1, bare metal IF=0") as string });
  });

  it("writes the same bytes for the same run and input", async () => {
    const script = cli.file("script.txt", 'expect "Booting"\nwait 0.1\nkeys "input."\n');
    const run = () => logged(cli.file("keys.img", keyGuest()), "--technique", "trap", "--log", "exit,leak,observed", "--script", script, "--expect", "input.");
    const [first, second] = [await run(), await run()];
    expect(first.records.length).toBeGreaterThan(5000);
    expect(second.text).toBe(first.text);
    expect([second.result.instructions, second.result.guestSeconds]).toEqual([first.result.instructions, first.result.guestSeconds]);
  });
});
