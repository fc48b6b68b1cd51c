// npm run matrix: every guest under every technique, and what came of it, kept in docs/matrix.json and shown in docs/matrix.md.
//
//   --only LIST         guests to run again (all): names of bundled guests, debian, memtest, grub
//   --techniques LIST   techniques to run again (all)
//   --missing           of these, only what is not kept yet
//   --guests DIR        folder with disk.img, floppy-memtest.img, grub.iso (default: $TRAPSCOPE_GUESTS); rows without an image stay as they are kept
//   --timeout SECONDS   for one run of a real guest (1500)
//   --through COMMAND   starts every run by this command, on a machine that is shared
//   --print             runs nothing: writes docs/matrix.md from what is kept
//
// A guest "boots" where it ends as under `emulate` and says the same. Under the two techniques that kernels are ported to (lite,
// paravirt) a guest may know where it runs: there it boots where it ends well and says what its expectation states. Everywhere else the
// cell says why: the refusal; or the first leak, and the first instruction after which lock-step with `emulate` finds the two
// machines different. A guest that is made for paravirt alone ends in a triple fault on a bare processor, and wherever that is what it sees.
// Seconds are processor time of the whole process, as the machine may be busy.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("../", import.meta.url));
const { values: options } = parseArgs({
  options: {
    only: { type: "string" }, techniques: { type: "string" }, missing: { type: "boolean", default: false }, guests: { type: "string", default: process.env.TRAPSCOPE_GUESTS ?? "" },
    timeout: { type: "string", default: "1500" }, through: { type: "string", default: "" }, print: { type: "boolean", default: false },
  },
});
const TECHNIQUES = ["emulate", "trap", "int3", "scan", "lite", "hybrid", "translate", "paravirt", "vtx"];
/** What the watchdog says: the technique has not given up, the guest has. */
const LOST = "the guest is lost";
/** Guests may be ported to these, and know it. */
const PORTED = ["lite", "paravirt"];
const DATA = join(root, "docs/matrix.json"), TEXT = join(root, "docs/matrix.md");
const BUNDLED_SECONDS = 120;
/** Characters that two lines have in common at their start where one stands for the other. */
const COMMON_START = 4;
/** Lock-step after a failure looks at no more than this. */
const DIFF_LIMIT = 2e9;

const scratch = mkdtempSync(join(tmpdir(), "trapscope-matrix-"));
const read = (file) => readFileSync(join(root, file), "utf8");
const scriptFile = (name, lines) => {
  const path = join(scratch, `${name}.script`);
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
};

const bundled = JSON.parse(read("public/guests/index.json")).guests.map(({ id }) => {
  const { script, techniques } = JSON.parse(read(`guests/${id}.expected.json`));
  return { id, ported: techniques, title: `\`${id}\``, args: [id, "--memory", "16M", ...(script ? ["--script", scriptFile(id, script)] : [])], seconds: BUNDLED_SECONDS, comparesSerial: !script };
});
const real = [
  { id: "debian", title: "Debian Linux 6.1", image: "disk.img", args: [], script: ['expect "GUEST READY"'] },
  { id: "memtest", title: "memtest86+", image: "floppy-memtest.img", args: ["--memory", "16M"], script: ['expect "Memtest86+"', 'expect "Status: Testing"'] },
  { id: "grub", title: "GRUB 2", image: "grub.iso", args: [], script: ['expect "GNU GRUB"', 'expect "memtest86+"', 'keys "c"', 'expect "grub>"', 'keys "ls<Enter>"', 'expect "(cd"'] },
].map((guest) => ({
  ...guest, path: join(options.guests, guest.image), comparesSerial: false, seconds: Number(options.timeout), isReal: true,
  args: [join(options.guests, guest.image), ...guest.args, "--script", scriptFile(guest.id, guest.script)],
}));
const guests = [...bundled, ...real];

/** Runs bin/trapscope: its JSON, and its processor seconds. */
function trapscope(...args) {
  const quoted = [...options.through.split(" ").filter(Boolean), process.execPath, join(root, "bin/trapscope"), ...args].map((arg) => `'${arg.replaceAll("'", "'\\''")}'`).join(" ");
  return new Promise((resolve, reject) => {
    execFile("bash", ["-c", `TIMEFORMAT='cpu %U %S'; time ${quoted}`], { cwd: root, maxBuffer: 1 << 26 }, (_error, stdout, stderr) => {
      const [, user, system] = stderr.match(/cpu ([\d.]+) ([\d.]+)\s*$/) ?? [];
      try {
        resolve({ json: JSON.parse(stdout.trim().split("\n").at(-1)), seconds: Number(user) + Number(system) });
      } catch {
        reject(new Error(`${quoted}\n${stdout}${stderr}`));
      }
    });
  });
}

const hex = (value) => value.toString(16).padStart(8, "0");

async function divergence(guest, technique, instructions) {
  const limit = Math.min(Math.ceil(instructions * 1.1 + 1e6), DIFF_LIMIT);
  const { json } = await trapscope("diff", ...guest.args, "--a", "emulate", "--b", technique, "--max-instructions", `${limit}`, "--json");
  const d = json.divergence;
  if (!d) return { none: json.instructions };
  return { icount: d.icount, eip: hex(d.eip), text: d.text, differences: d.differences.slice(0, 2).map(({ what, a, b }) => `${what}: ${show(a)}, not ${show(b)}`) };
}
const show = (value) => (typeof value === "number" ? hex(value >>> 0) : String(value));

/** A guest that waits at its prompt after it has said something else than it says on bare metal: what it said, of the line that begins as the awaited one. */
function saidOtherwise(reason, said) {
  const awaited = /and "(.*)" has not come/.exec(reason)?.[1];
  if (awaited === undefined) return {};
  const common = (line) => [...line].findIndex((character, i) => character !== awaited[i]);
  const [instead] = said.split("\n").map((line) => line.trimEnd()).filter((line) => common(line) >= COMMON_START).sort((a, b) => common(b) - common(a));
  return instead === undefined ? {} : { outcome: "said otherwise", reason: `"${instead}" where bare metal says "${awaited}".` };
}

async function cell(guest, technique, bare) {
  const clock = guest.isReal ? "real" : "virtual";
  const { json, seconds } = await trapscope("run", ...guest.args, "--technique", technique, "--clock", clock, "--timeout", `${guest.seconds}`, "--json");
  const own = {
    outcome: json.outcome, reason: json.reason, serial: guest.comparesSerial ? json.serialTail : "", exits: json.traps.total, callouts: json.callouts.total, leaks: json.leaks.total,
    instructions: json.instructions, emulated: technique === "emulate" ? 0 : json.emulatedInstructions, seconds: Number(seconds.toFixed(1)), date: new Date().toISOString().slice(0, 10),
  };
  const { first } = json.leaks;
  if (first) own.firstLeak = { instruction: first.instruction, eip: hex(first.eip), icount: first.icount };
  const asBare = own.outcome === "triple-fault" ? "as bare metal" : "boots";
  if (technique === "emulate") return { ...own, verdict: asBare };
  if (json.statistics.conflicts > 0) own.conflicts = json.statistics.conflicts;
  if (own.outcome === "technique-refused" && !own.reason.includes(LOST)) return { ...own, verdict: "refused" };
  if (own.outcome === bare.outcome && own.serial === bare.serial) return { ...own, verdict: asBare };
  const expected = PORTED.includes(technique) ? guest.ported?.[technique] : undefined;
  if (expected && expected.end === "exit-success" && own.outcome === expected.end && own.serial === expected.serial) return { ...own, verdict: "boots" };
  return { ...own, ...saidOtherwise(own.reason, json.serialTail), verdict: "fails", divergence: await divergence(guest, technique, own.instructions) };
}

// --- what is kept, and shown

const kept = existsSync(DATA) ? JSON.parse(readFileSync(DATA, "utf8")) : {};
const number = (value) => (value === undefined ? "" : value.toLocaleString("en").replaceAll(",", " "));
const escaped = (text) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function overview(own) {
  if (!own) return "not run";
  if (own.verdict === "boots") return own.leaks > 0 ? `boots, ${number(own.leaks)} leak${own.leaks === 1 ? "" : "s"}` : "boots";
  return own.verdict;
}

function because(own) {
  const parts = [];
  if (own.verdict === "refused") parts.push(own.reason);
  if (own.verdict === "as bare metal") parts.push(own.reason);
  if (own.verdict === "fails") parts.push(`${own.outcome}: ${own.reason}`);
  if (own.firstLeak && !parts.some((part) => part.includes("First leak:"))) parts.push(`First leak: ${own.firstLeak.instruction} at ${own.firstLeak.eip} after ${number(own.firstLeak.icount)} instructions.`);
  if (own.verdict === "fails" && own.conflicts) parts.push(`${own.conflicts} breakpoints overlap with other instructions, which they spoil where those run.`);
  const d = own.divergence;
  if (d) parts.push(d.text ? `First divergence: \`${d.text}\` at ${d.eip} after ${number(d.icount)} instructions (${d.differences.join("; ")}).` : `No divergence in ${number(d.none)} instructions of virtual time.`);
  return escaped(parts.join(" "));
}

function markdown() {
  const known = guests.filter(({ id }) => kept[id]);
  const lines = [
    "# Guests and techniques", "",
    "Written by `npm run matrix` (scripts/matrix.mjs says how it judges); the numbers are in matrix.json. *boots*: ends as under `emulate` and says the same",
    "(or, ported to the technique, what it is to say there); leaks beside it did not matter to it. *as bare metal*: made for paravirt alone, it ends in the triple fault of a bare processor. *refused*: the technique cannot run it, and says so. *fails*: as its history says; the reason is below. *not run*: nobody has yet. Seconds are processor time.", "",
    `| | ${TECHNIQUES.join(" | ")} |`, `|---|${TECHNIQUES.map(() => "---|").join("")}`,
    ...known.map(({ id, title }) => `| ${title} | ${TECHNIQUES.map((technique) => overview(kept[id][technique])).join(" | ")} |`), "",
  ];
  for (const { id, title } of known) {
    lines.push(`## ${title}`, "", "| technique | | exits | callouts | leaks | emulated | instructions | seconds | why |", "|---|---|--:|--:|--:|--:|--:|--:|---|");
    for (const technique of TECHNIQUES) {
      const own = kept[id][technique];
      if (own) lines.push(`| ${technique} | ${own.verdict} | ${[own.exits, own.callouts, own.leaks, own.emulated, own.instructions].map(number).join(" | ")} | ${own.seconds} | ${because(own)} |`);
    }
    lines.push("");
  }
  return lines.join("\n");
}

function save() {
  writeFileSync(DATA, `${JSON.stringify(kept, null, 1)}\n`);
  writeFileSync(TEXT, markdown());
}

const wanted = (list, name) => list === undefined || list.split(",").includes(name);
try {
  for (const guest of options.print ? [] : guests) {
    if (!wanted(options.only, guest.id)) continue;
    if (guest.path && !existsSync(guest.path)) {
      process.stderr.write(`${guest.id}: skipped, no ${guest.path}\n`);
      continue;
    }
    kept[guest.id] ??= {};
    for (const technique of TECHNIQUES) {
      if (!wanted(options.techniques, technique) && !(technique === "emulate" && !kept[guest.id].emulate)) continue;
      if (options.missing && kept[guest.id][technique]) continue;
      const own = await cell(guest, technique, kept[guest.id].emulate).catch((error) => {
        process.exitCode = 1;
        process.stderr.write(`${guest.id} ${technique}: ${error.message}\n`);
        return null;
      });
      if (!own) continue;
      kept[guest.id][technique] = own;
      save();
      process.stdout.write(`${guest.id.padEnd(10)} ${technique.padEnd(10)} ${overview(own)}${own.verdict === "boots" ? "" : ` - ${because(own)}`}\n`);
    }
  }
  save();
} finally {
  rmSync(scratch, { recursive: true });
}
