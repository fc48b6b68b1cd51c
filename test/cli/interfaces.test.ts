// What people's scripts rely on, word by word: one line of JSON whatever happens, one line on stderr, the exit codes, and files that
// cannot be written. What a single outcome needs is in outcomes.test.ts, formats in images.test.ts, the log in trap-log.test.ts.
import { existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT_CODES } from "../../src/cli/outcome.ts";
import { bootSector, exitGuest, maskedGuest, serialGuest } from "./boot-sectors.ts";
import { openTrapscope, type Trapscope } from "./trapscope.ts";

let cli: Trapscope;
beforeAll(() => {
  cli = openTrapscope();
  cli.file("broken.trk", "no recording");
  cli.file("guest.img", exitGuest(0));
  mkdirSync(join(cli.folder, "folder"));
});
afterAll(() => cli.close());

it("the codes are those of the table", () => {
  expect(EXIT_CODES).toEqual({
    expected: 0, "power-off": 0, "exit-success": 0, quit: 0, usage: 1, "triple-fault": 2, "exit-failure": 2, halted: 2, "ended-early": 2, "check-failed": 2,
    timeout: 3, "instruction-limit": 3, "image-refused": 4, divergence: 5, "technique-refused": 6, defect: 7,
  });
});

describe("a command that cannot be carried out", () => {
  it.each([
    [1, "run", "guest.img", "--colour"], [1, "run", "guest.img", "--memory", "3"], [1, "run", "guest.img", "--memory", "128Q"], [1, "run", "guest.img", "--timeout", "-1"],
    [1, "run", "guest.img", "--max-instructions", "0"], [1, "run", "guest.img", "--append", "x"], [1, "run", "guest.img", "--gdb", "99999999"], [1, "run", "guest.img", "--set", "umip"],
    [1, "run", "guest.img", "--trap-log", "folder/none/x.jsonl"], [1, "run", "guest.img", "--screen", "folder/none/x.png"], [1, "run", "guest.img", "--record", "folder"],
    [1, "run", "guest.img", "--serial", "folder"], [1, "run", "guest.img", "--net-pcap", "folder"], [1, "run", "guest.img", "--trace=folder"],
    [4, "run", "absent"], [4, "run", "absent.img"], [4, "run", "folder"], [4, "run", ""], [4, "run", "guest.img", "--script", "absent"], [4, "run", "guest.img", "--bios", "absent"],
    [4, "run", "--kernel", "absent"], [4, "run", "--hda", "/dev/null"], [4, "run", "guest.img", "--net-replay", "absent"],
    [1, "info"], [1, "info", "a", "b"], [4, "info", "absent"], [1, "diff", "guest.img"], [4, "diff", "absent", "--b", "trap"], [1, "diff", "guest.img", "--b", "magic"],
    [1, "lab", "L99"], [4, "lab", "L1", "--debian", "absent"], [1, "replay"], [4, "replay", "absent"], [4, "replay", "broken.trk"], [4, "replay", "folder"],
  ] as const)("code %i: %s %s %s %s", async (code, ...args: readonly (string | number)[]) => {
    const { stdout, stderr, code: ended } = await cli.run([...args.map(String), "--json"]);
    expect(ended, stderr).toBe(code);
    expect(stderr).toMatch(/^trapscope: [^\n]{15,}\n$/);
    expect(stdout).toMatch(/^\{[^\n]*\}\n$/);
    expect(JSON.parse(stdout)).toMatchObject({ version: 1, exitCode: code, outcome: code === 1 ? "usage" : "image-refused", reason: stderr.slice("trapscope: ".length, -1) });
  });

  it("says in JSON which technique it was asked for", async () => {
    expect(await cli.json(["run", "absent", "--technique", "trap", "--ring", "3", "--clock", "real"])).toMatchObject({ exitCode: 4, technique: "trap", ring: 3, clock: "real" });
  });

  it("names the technique's reason, EIP and bytes, code 6", async () => {
    // lite takes no kernel that was built without its macros: raw PUSHF and POPF.
    const { outcome, exitCode, reason } = await cli.json(["run", "popf", "--technique", "lite"]);
    expect([outcome, exitCode]).toEqual(["technique-refused", 6]);
    expect(reason).toMatch(/^Technique lite gave up: RAW_PUSHF: .*EIP [0-9a-f]+/);
  });

  it("tells of a port that another program has", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as { port: number };
    const { code, stderr } = await cli.run(["run", "guest.img", "--gdb", `:${port}`]);
    other.close();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/cannot listen there.*in use.*\n$/)]);
  });
});

describe("files that fill up", () => {
  it.skipIf(!existsSync("/dev/full")).each(["--trap-log", "--record", "--screen", "--net-pcap", "--serial"])("%s: one line, and no defect", async (option) => {
    const { code, stderr } = await cli.run(["run", cli.file("talks.img", serialGuest("f803", "text")), "--technique", "trap", option, "/dev/full"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^trapscope: ${option} /dev/full takes no more \\(ENOSPC[^\\n]*\\): make room, or choose another place\\.\\n$`));
  });
});

describe("time", () => {
  /** next: lodsb / cmp al,7Fh / jz done / out 70h,al / in al,71h, then al on COM1 when LSR.THRE / jmp next / done: exit 0; CMOS century to seconds */
  const clockGuest = bootSector("be317c ac 3c7f 7416 e670 e471 88c4 bafd03 ec a820 74fb 88e0 baf803 ee ebe5 b000 e6f4", "\x32\x09\x08\x07\x04\x02\x00\x7f");

  it("begins on 14 February 2003, 14:18:30, and where --rtc says", async () => {
    const path = cli.file("clock.img", clockGuest), bcd = async (...args: string[]): Promise<string> => Buffer.from((await cli.json(["run", path, ...args])).serialTail).toString("hex");
    expect(await bcd()).toBe("20030214141830");
    expect(await bcd("--rtc", "2012-12-21T23:58:40Z")).toBe("20121221235840");
  });
});

describe("notices", () => {
  it("tell of an interrupt that waited 50 million instructions with IF=0", async () => {
    // cli; jmp $ with the timer running
    const result = await cli.json(["run", cli.file("deaf.img", bootSector("fa ebfe")), "--technique", "trap", "--max-instructions", "60e6"]);
    expect((result as unknown as { notices: string[] }).notices.join()).toMatch(/IF/);
    expect((await cli.json(["run", cli.file("masked.img", maskedGuest())])).outcome).toBe("halted");
  });
});
