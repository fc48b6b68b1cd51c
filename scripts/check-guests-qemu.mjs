// Runs the bundled guests under QEMU, a second machine that is not ours, and compares what arrives on COM1 and on port E9h,
// and how the guest ends, with guests/NAME.expected.json.
//   node scripts/check-guests-qemu.mjs [NAME]... [--print]      --print shows what the guest wrote
// A file may hold `qemu: { args, serial, skip }`: more arguments, the text where QEMU differs from the manual, or why not.
// Exit codes: 0 all agree, 1 one differs, 2 QEMU is missing.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const args = process.argv.slice(2);
const print = args.includes("--print");
const named = args.filter((name) => !name.startsWith("--"));
const all = readdirSync(join(root, "guests")).filter((name) => name.endsWith(".asm")).map((name) => name.slice(0, -4));
const names = named.length > 0 ? named : all.filter((name) => existsSync(join(root, "guests", `${name}.expected.json`)));

if (spawnSync("qemu-system-i386", ["--version"]).error) {
  console.error("qemu-system-i386 is not installed (Debian: apt-get install qemu-system-x86).");
  process.exit(2);
}

const scratch = mkdtempSync(join(tmpdir(), "t86-qemu-"));
let bad = 0;
try {
  for (const name of names) {
    const complaints = run(name);
    bad += complaints.length > 0 ? 1 : 0;
    console.log(`${name}: ${complaints.length > 0 ? complaints.join("; ") : "as expected"}`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(bad > 0 ? 1 : 0);

function run(name) {
  const expected = JSON.parse(readFileSync(join(root, "guests", `${name}.expected.json`), "utf8"));
  if (expected.qemu?.skip) return [];
  const serial = join(scratch, `${name}.com1`);
  const debug = join(scratch, `${name}.e9`);
  const result = spawnSync("qemu-system-i386", [
    "-display", "none", "-nodefaults", "-vga", "std", "-m", "32",
    "-drive", `file=${join(root, "public", "guests", `${name}.img`)},format=raw,if=floppy,snapshot=on`, "-boot", "a",
    "-serial", `file:${serial}`, "-debugcon", `file:${debug}`, "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
    ...(expected.qemu?.args ?? []),
  ], { encoding: "utf8", timeout: 60_000 });
  const com1 = existsSync(serial) ? readFileSync(serial, "latin1") : "";
  const e9 = existsSync(debug) ? readFileSync(debug, "latin1") : "";
  if (print) process.stdout.write(com1);
  const complaints = [];
  const wanted = expected.qemu?.serial ?? expected.serial;
  if (com1 !== wanted) complaints.push(`COM1 ${difference(com1, wanted)}`);
  if (e9 !== wanted.replaceAll("\r\n", "\n")) complaints.push("port E9h differs from COM1");
  // isa-debug-exit ends QEMU with (value << 1) | 1.
  const status = result.status === null ? "did not end" : `exit port value ${result.status >> 1}`;
  if (result.status !== 1) complaints.push(`${status}${result.stderr ? ` (${result.stderr.trim()})` : ""}`);
  return complaints;
}

function difference(got, wanted) {
  const a = got.split("\r\n");
  const b = wanted.split("\r\n");
  const line = a.findIndex((text, i) => text !== b[i]);
  if (line < 0) return `ends after line ${a.length}, expected ${b.length} lines`;
  return `line ${line + 1}: ${JSON.stringify(a[line])} instead of ${JSON.stringify(b[line] ?? "(nothing)")}`;
}
