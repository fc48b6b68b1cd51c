import { expect, it } from "vitest";
import { UsageError } from "../base/errors.ts";
import { parseArguments } from "./arguments.ts";
import { RUN_OPTIONS, runOptions, SWITCH_HELP } from "./run-options.ts";
import { PROCESSOR_SWITCHES } from "../protocol/technique.ts";
import { commandHelp } from "./command.ts";
import { RUN } from "./help.ts";

const options = (...argv: string[]) => runOptions(parseArguments("run", argv, RUN_OPTIONS));

it("has the defaults that are documented", () => {
  expect(options("popf")).toMatchObject({
    image: "popf", drives: {}, overlays: {}, memoryBytes: 128 << 20, cpu: "pentium4", technique: "emulate", ring: 1, set: {}, clock: "virtual", timeoutSeconds: Infinity,
    maxInstructions: Infinity, force: false, net: "none", serial: "-", screenText: false, logKinds: ["exit", "leak"], json: false,
  });
  expect(options("popf", "--json").serial).toBe("none");
  expect(options("popf", "--json", "--serial", "-").serial).toBe("-");
});

it("reads sizes, counts and times", () => {
  expect(options("--memory", "1M").memoryBytes).toBe(1 << 20);
  expect(options("--memory", "1g").memoryBytes).toBe(1 << 30);
  expect(options("--memory=1.5M").memoryBytes).toBe(3 << 19);
  expect(options("--max-instructions", "50e6").maxInstructions).toBe(50_000_000);
  expect(options("--timeout", "0.5").timeoutSeconds).toBe(0.5);
  expect(options("--rtc", "2003-02-14T14:18:30Z").epochMs).toBe(Date.UTC(2003, 1, 14, 14, 18, 30));
});

it("collects what may be given again", () => {
  expect(options("--set", "umip=on", "--set", "tsd=off").set).toEqual({ umip: true, tsd: false });
  expect(options("--set", "umip=on,vme=on").set).toEqual({ umip: true, vme: true });
  expect(options("--multiboot", "m", "--module", "a", "--module", "b").modules).toEqual(["a", "b"]);
  expect(options("--hda", "x", "--cdrom", "y").drives).toEqual({ hda: "x", cdrom: "y" });
});

it.each([
  [["--turbo"], "--turbo"],
  [["-x"], "-x"],
  [["--technique", "magic"], "emulate, trap"],
  [["--ring", "2"], "1, 3"],
  [["--set", "smep=on"], "umip=on|off, tsd=on|off"],
  [["--set", "umip=yes"], "umip=on|off"],
  [["--set", "scan=loose"], "scan=strict|lax"],
  [["--set", "scan-depth=deep"], "scan-depth=N"],
  [["--set", "umip"], "umip=on|off"],
  [["--technique", "scan", "--set", "shadow=cached"], "scan has no shadow modes"],
  [["--technique", "trap", "--set", "shadow=ept"], "drop-all, cached, unsync, batch"],
  [["--cpu", "386"], "486, pentium, pentium3, pentium4"],
  [["--memory", "2G"], "1M to 1G"],
  [["--memory", "512K"], "1M to 1G"],
  [["--memory", "12X"], "K, M and G"],
  [["--memory", "1M", "--memory", "2M"], "twice"],
  [["--max-instructions", "0"], "above 0"],
  [["--max-instructions", "1.5"], "above 0"],
  [["--timeout", "soon"], "seconds"],
  [["--expect", ""], "not empty"],
  [["--expect"], "needs a value"],
  [["--expect", "--json"], "needs a value"],
  [["--json=yes"], "no value"],
  [["--filter", "insn =="], "--filter, character"],
  [["--filter", "colour == red"], "insn"],
  [["--log", "exit,all"], "exit, leak, observed"],
  [["--clock", "atomic"], "virtual, real"],
  [["--boot", "b"], "a, c, d"],
  [["--rtc", "yesterday"], "2003-02-14"],
  [["popf", "tables"], "Only one image"],
])("refuses %j", (argv, text) => {
  expect(() => options(...argv)).toThrow(UsageError);
  expect(() => options(...argv)).toThrow(text);
});

it("explains each option and each switch with its default", () => {
  const help = commandHelp(RUN);
  for (const name of Object.keys(RUN_OPTIONS)) expect(help).toContain(`--${name}`);
  for (const name of PROCESSOR_SWITCHES) expect(help).toContain(`${name}=off`.padEnd(24) + SWITCH_HELP[name]);
});
