// `trapscope lab`: lists the labs, or runs them and checks what they say.

import { UsageError } from "../base/errors.ts";
import { type CheckResult, evaluate, shownTable } from "../labs/check.ts";
import type { Lab, LabStep } from "../labs/lab.ts";
import { LABS, labOf } from "../labs/list.ts";
import type { NamedSource } from "../machine/boot/boot-request.ts";
import { totalOf } from "../protocol/run-counts.ts";
import { type CostProfile, modelledCost } from "../trace/cost-model.ts";
import { argumentsOf, type CommandSpec } from "./command.ts";
import { COST_OPTIONS, costLine, costProfile, hostNsPerExit } from "./cost.ts";
import { openImage } from "./files.ts";
import { openBootImage } from "./images.ts";
import { runStep, type StepRun } from "./lab-run.ts";
import { EXIT_CODES } from "./outcome.ts";

export const LAB: CommandSpec = {
  name: "lab", operands: "[L1]... [options]", takes: "lab",
  summary: "the labs: list them, or run one and check it",
  about: `Without a name: the list of the labs. With names, or "all": runs their steps, each in a machine of its own with the virtual clock, and
checks what they say will happen.`,
  options: {
    read: { help: "print what the lab says instead of running it: steps, what to watch, questions, conclusions" },
    debian: { value: "FILE", help: "disk of the Debian guest (scripts/build-debian-disk.sh); without it the steps on it are left out" },
    ...COST_OPTIONS,
    json: { help: "print one line of JSON on stdout instead" },
    help: { help: "this text" },
  },
  examples: [
    ["What is there to learn?", "lab"],
    ["Read the first one, with its questions", "lab L1 --read"],
    ["Run it, and see whether what it says holds", "lab L1"],
    ["All of them, their exits priced for a Pentium 4", "lab all --profile p4"],
  ],
  outcomes: [["all that was checked holds", 0], "check-failed", "image-refused"],
};

interface LabRun {
  readonly lab: Lab;
  readonly steps: readonly { readonly step: LabStep; readonly run: StepRun | null }[];
  readonly checks: readonly CheckResult[];
}

export function lab(argv: readonly string[]): number {
  const args = argumentsOf(LAB, argv);
  if (!args) return 0;
  const json = args.has("json");
  const labs = wanted(args.positionals);
  if (labs.length === 0 || args.has("read")) {
    const shown = labs.length > 0 ? labs : args.has("read") ? LABS : [];
    if (json) process.stdout.write(`${JSON.stringify({ version: 1, outcome: "expected", exitCode: 0, labs: shown.length > 0 ? shown : LABS.map(listed) })}\n`);
    else process.stdout.write(shown.length > 0 ? shown.map(reading).join("\n") : LABS.map(listLine).join(""));
    return 0;
  }
  const debian = args.has("debian") ? openBootImage(args.get("debian")!) : null;
  const profile = costProfile(args);
  const runs: LabRun[] = [];
  for (const one of labs) {
    const run = runLab(one, debian);
    runs.push(run);
    if (!json) process.stdout.write(report(run, profile));
  }
  const failed = runs.flatMap(({ checks }) => checks).filter(({ status }) => status === "fails").length;
  const outcome = failed > 0 ? "check-failed" : "expected";
  const exitCode = EXIT_CODES[outcome];
  if (json) process.stdout.write(`${JSON.stringify({ version: 1, outcome, exitCode, profile: profile.id, labs: runs.map((run) => asJson(run, profile)) })}\n`);
  return exitCode;
}

function wanted(names: readonly string[]): readonly Lab[] {
  if (names.some((name) => name.toLowerCase() === "all")) return LABS;
  return names.map((name) => {
    const found = labOf(name);
    if (!found) throw new UsageError(`There is no lab ${name}: ${LABS.map(({ id }) => id).join(", ")}, or all.`);
    return found;
  });
}

function runLab(one: Lab, debian: NamedSource | null): LabRun {
  const steps = one.steps.map((step) => {
    const image = typeof step.guest === "string" ? openImage(step.guest) : debian;
    return { step, run: image && runStep(one, step, image) };
  });
  const results = Object.fromEntries(steps.flatMap(({ step, run }) => (run ? [[step.id, run] as const] : [])));
  return { lab: one, steps, checks: evaluate(one.checks, results) };
}

// --- what is said

const setText = ({ set }: LabStep): string => Object.entries(set ?? {}).map(([name, value]) => ` ${name}=${value === true ? "on" : value === false ? "off" : value}`).join("");
const guestName = ({ guest }: LabStep): string => (typeof guest === "string" ? guest : "Debian");
const howRun = (step: LabStep): string => `${guestName(step)} under ${step.technique}${step.ring === undefined ? "" : `/${step.ring}`}${setText(step)}`;
const techniquesOf = ({ steps }: Lab): string[] => [...new Set(steps.map(({ technique }) => technique))];

const listed = (one: Lab): object => ({
  id: one.id, title: one.title, question: one.question, guests: [...new Set(one.steps.map(guestName))], techniques: techniquesOf(one), checks: one.checks.length,
});
const listLine = (one: Lab): string => `${one.id.padEnd(5)}${one.title.padEnd(44)}${[...new Set(one.steps.map(guestName))].join(", ")}: ${techniquesOf(one).join(" ")}\n`;

function reading(one: Lab): string {
  return [
    `${one.id}  ${one.title}`, "", one.question, "", ...one.background, "", "Steps:",
    ...one.steps.map((step) => `  ${step.id}: ${howRun(step)}. ${step.watch}`), "", "Before you run it:",
    ...one.predict.flatMap(({ ask, choices, answer, because }) => [`  ${ask}`, ...choices.map((choice, i) => `    ${i === answer ? "*" : " "} ${choice}`), `    ${because}`]), "",
    "What it shows:", ...one.conclude.map((line) => `  ${line}`), "",
  ].join("\n");
}

function report({ lab: one, steps, checks }: LabRun, profile: CostProfile): string {
  const lines = [`${one.id}  ${one.title}`];
  for (const { step, run } of steps) {
    if (!run) {
      lines.push(`  ${step.id.padEnd(18)}left out: no image (--debian FILE)`);
      continue;
    }
    lines.push(`  ${step.id.padEnd(18)}${howRun(step)}: ${run.end}${run.refusal === null ? "" : ` (${run.refusal})`}`);
    for (const [phase, counts] of Object.entries(run.phases)) {
      const { traps, callouts, leaks } = counts;
      lines.push(`    phase ${phase}: exits ${shownTable(traps.byInstruction)}${totalOf(callouts.byInstruction) > 0 ? `; callouts ${shownTable(callouts.byInstruction)}` : ""}; leaks ${shownTable(leaks.byInstruction)}`);
    }
    lines.push(`    ${costLine(profile, run.whole, run)}`);
  }
  for (const { check, status, found } of checks) {
    lines.push(`  ${{ holds: "ok    ", fails: "FAILS ", skipped: "-     " }[status]}${check.says}${status === "fails" ? ` Found: ${found}.` : ""}`);
  }
  const count = (status: CheckResult["status"]): number => checks.filter((result) => result.status === status).length;
  lines.push(`${one.id}: ${count("holds")} checks hold, ${count("fails")} fail${count("skipped") > 0 ? `, ${count("skipped")} left out` : ""}`, "");
  return `${lines.join("\n")}\n`;
}

function asJson({ lab: one, steps, checks }: LabRun, profile: CostProfile): object {
  return {
    id: one.id, title: one.title,
    steps: steps.map(({ step, run }) => ({
      id: step.id, guest: guestName(step), technique: step.technique, ring: step.ring ?? 1, set: step.set ?? {},
      ...(run
        ? { end: run.end, refusal: run.refusal, counts: run.whole, phases: run.phases, modelled: modelledCost(profile, run.whole), hostNsPerExit: hostNsPerExit(run), wallSeconds: run.wallSeconds }
        : { end: "skipped" }),
    })),
    checks: checks.map(({ check, status, found }) => ({ ...check, status, found })),
  };
}


