// What shells complete, asked of the shells; and that the examples of the help are command lines.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseArguments } from "./arguments.ts";
import { commandHelp } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { completionScript } from "./completion.ts";

const SPECS = COMMANDS.map(({ spec }) => spec);
const has = (shell: string): boolean => spawnSync(shell, ["-c", ":"]).status === 0;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "trapscope-completion-"));
  for (const shell of ["bash", "zsh", "fish"] as const) writeFileSync(join(folder, shell), completionScript(shell, SPECS));
  writeFileSync(join(folder, "disk one.img"), "");
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What bash offers behind these words, split as readline does. */
function bash(...words: string[]): string[] {
  const program = `source ./bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _trapscope; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["-c", program, "bash", "trapscope", ...words], { cwd: folder, encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout.split("\n").filter((word) => word !== "");
}

function fish(line: string): string[] {
  const { stdout } = spawnSync("fish", ["--no-config", "-c", `source ./fish; complete -C ${JSON.stringify(line)}`], { cwd: folder, encoding: "utf8" });
  return stdout.split("\n").flatMap((text) => (text === "" ? [] : [text.split("\t")[0]!]));
}

describe("completion", () => {
  it.skipIf(!has("bash"))("in bash: commands, options, values, guests, files", () => {
    expect(bash("d")).toEqual(["diff", "disasm"]);
    expect(bash("run", "--tech")).toEqual(["--technique"]);
    expect(bash("run", "--technique", "")).toEqual(["emulate", "trap", "int3", "scan", "lite", "hybrid", "translate", "paravirt", "vtx"]);
    expect(bash("run", "--technique", "=", "v")).toEqual(["vtx"]);
    expect(bash("run", "--set", "umi")).toEqual(["umip=on", "umip=off"]);
    expect(bash("run", "--set", "umip", "=", "o")).toEqual(["on", "off"]);
    expect(bash("run", "--hda", "di")).toEqual(["disk one.img"]);
    expect(bash("run", "pop")).toEqual(["popf"]);
    expect(bash("run", "popf", "--trap-log", "log.jsonl", "--ri")).toEqual(["--ring"]);
    expect(bash("diff", "tables", "--b", "scan")).toEqual(["scan", "scan/3"]);
    expect(bash("lab", "L10")).toEqual(["L10"]);
    expect(bash("run", "--timeout", "")).toEqual(expect.not.arrayContaining(["--timeout"]));
  });

  it.skipIf(!has("fish"))("in fish", () => {
    expect(fish("trapscope re")).toEqual(["replay"]);
    expect(fish("trapscope run --clock ")).toEqual(["real", "virtual"]);
    expect(fish("trapscope run --hda di")).toEqual(["disk one.img"]);
    expect(fish("trapscope run pop")).toContain("popf");
  });

  it.skipIf(!has("zsh"))("in zsh: the script is one that it understands", () => {
    const program = "autoload -Uz compinit && compinit -D -u && source ./zsh && print $_comps[trapscope]";
    expect(spawnSync("zsh", ["-f", "-c", program], { cwd: folder, encoding: "utf8" })).toMatchObject({ stdout: "_trapscope\n", stderr: "" });
  });

  it.each(SPECS.map((spec) => [spec.name, spec] as const))("names every option of %s in each script", (name, { options }) => {
    for (const shell of ["bash", "zsh", "fish"] as const) {
      const text = completionScript(shell, SPECS);
      for (const option of Object.keys(options)) expect(text, `${shell}: ${name} --${option}`).toMatch(new RegExp(shell === "fish" ? `from ${name}' -l ${option} ` : `--${option}\\b`));
    }
  });
});

describe("help", () => {
  it.each(SPECS.map((spec) => [spec.name, spec] as const))("of %s has examples that its own table takes", (name, spec) => {
    expect(spec.examples.length).toBeGreaterThan(0);
    for (const [purpose, words] of spec.examples) {
      const line = words.split(" > ")[0]!.match(/"[^"]*"|\S+/g)!.map((word) => word.replace(/^"|"$/g, ""));
      expect(line[0]).toBe(name);
      expect(() => parseArguments(name, line.slice(1), spec.options), purpose).not.toThrow();
      expect(commandHelp(spec)).toContain(`# ${purpose}\n  trapscope ${words}\n`);
    }
  });

  it("lists every option with what it does", () => {
    for (const spec of SPECS) {
      for (const [option, { help }] of Object.entries(spec.options)) expect(commandHelp(spec)).toMatch(new RegExp(`^ {2}--${option}[ \\[\n][^]*?${help.slice(0, 12).replace(/[()[\]]/g, "\\$&")}`, "m"));
    }
  });
});
