// Runs the bundled guests under QEMU, a second machine that is not ours, and compares what they write to COM1 and to port
// E9h, and how they end, with guests/NAME.expected.json.
//   node scripts/check-guests-qemu.mjs [NAME]... [--print]      --print shows what the guest wrote
// `serial` is compared byte for byte; a guest that talks has `script` instead: lines `expect "…"`, `send "…"`, `wait SECONDS`.
// `qemu: { args, replace }` holds more arguments, and pairs [pattern, text] where QEMU departs from the manual.
// Exit codes: 0 all agree, 1 one differs, 2 QEMU is missing.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const LIMIT_MS = 60_000;
const args = process.argv.slice(2);
const print = args.includes("--print");
const named = args.filter((name) => !name.startsWith("--"));
const all = readdirSync(join(root, "guests")).filter((name) => name.endsWith(".expected.json")).map((name) => name.slice(0, -14));

if (spawnSync("qemu-system-i386", ["--version"]).error) {
  console.error("qemu-system-i386 is not installed (Debian: apt-get install qemu-system-x86).");
  process.exit(2);
}

const scratch = mkdtempSync(join(tmpdir(), "t86-qemu-"));
let bad = 0;
try {
  for (const name of named.length > 0 ? named : all) {
    const complaints = await run(name);
    bad += complaints.length > 0 ? 1 : 0;
    console.log(`${name}: ${complaints.length > 0 ? complaints.join("; ") : "as expected"}`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(bad > 0 ? 1 : 0);

async function run(name) {
  const expected = JSON.parse(readFileSync(join(root, "guests", `${name}.expected.json`), "utf8"));
  const debug = join(scratch, `${name}.e9`);
  const guest = spawn("qemu-system-i386", [
    "-display", "none", "-nodefaults", "-vga", "std", "-m", "32",
    "-drive", `file=${join(root, "public", "guests", `${name}.img`)},format=raw,if=floppy,snapshot=on`, "-boot", "a",
    "-serial", "stdio", "-debugcon", `file:${debug}`, "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
    ...(expected.qemu?.args ?? []),
  ]);
  let com1 = "";
  let errors = "";
  guest.stdout.on("data", (bytes) => { com1 += bytes.toString("latin1"); });
  guest.stderr.on("data", (bytes) => { errors += bytes.toString("utf8"); });
  guest.stdin.on("error", () => {});
  const ended = new Promise((resolve) => guest.on("close", (status) => resolve(status)));
  const timer = setTimeout(() => guest.kill(), LIMIT_MS);
  const complaints = [];
  let met = 0;
  for (const line of expected.script ?? []) {
    const [, word, rest] = /^(\w+) (.*)$/.exec(line);
    if (word === "send") guest.stdin.write(JSON.parse(rest));
    else if (word === "wait") await sleep(Number(rest) * 1000);
    else {
      const text = JSON.parse(rest);
      while (!com1.includes(text, met) && guest.exitCode === null && guest.signalCode === null) await sleep(20);
      if (!com1.includes(text, met)) {
        complaints.push(`never wrote ${rest}`);
        guest.kill();
        break;
      }
      met = com1.indexOf(text, met) + text.length;
    }
  }
  const status = await ended;
  clearTimeout(timer);
  if (print) process.stdout.write(com1);
  const wanted = (expected.qemu?.replace ?? []).reduce((text, [from, to]) => text?.replaceAll(new RegExp(from, "gm"), to), expected.serial);
  if (wanted !== undefined && com1 !== wanted) complaints.push(`COM1 ${difference(com1, wanted)}`);
  const e9 = existsSync(debug) ? readFileSync(debug, "latin1") : "";
  if (e9 !== com1.replaceAll("\r\n", "\n")) complaints.push("port E9h differs from COM1");
  // isa-debug-exit ends QEMU with (value << 1) | 1.
  if (status !== 1) complaints.push(status === null ? "had to be stopped" : `exit port value ${status >> 1} ${errors.trim()}`);
  return complaints;
}

function difference(got, wanted) {
  const a = got.split("\r\n");
  const b = wanted.split("\r\n");
  const line = a.findIndex((text, i) => text !== b[i]);
  if (line < 0) return `ends after line ${a.length}, expected ${b.length} lines`;
  return `line ${line + 1}: ${JSON.stringify(a[line])} instead of ${JSON.stringify(b[line] ?? "(nothing)")}`;
}
