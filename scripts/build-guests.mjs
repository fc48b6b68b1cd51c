// Assembles guests/NAME.asm into public/guests/NAME.img with NASM.
//   node scripts/build-guests.mjs             builds all, or those that are named
//   node scripts/build-guests.mjs --check     builds into memory and compares with the committed images; writes nothing
// Exit codes: 0 all well, 1 an image differs or a source does not assemble, 2 NASM is missing or a name is unknown.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const sources = join(root, "guests");
const images = join(root, "public", "guests");
const FLOPPY_BYTES = 80 * 2 * 18 * 512;

const args = process.argv.slice(2);
const check = args.includes("--check");
const known = readdirSync(sources).filter((name) => name.endsWith(".asm")).map((name) => name.slice(0, -4)).sort();
const wanted = args.filter((name) => !name.startsWith("--"));
const strange = wanted.filter((name) => !known.includes(name));
if (strange.length > 0) fail(2, `no such guest: ${strange.join(", ")}. There are: ${known.join(", ")}`);

const version = spawnSync("nasm", ["-v"], { encoding: "utf8" });
if (version.error) fail(2, "NASM is not installed (Debian: apt-get install nasm). The committed images in public/guests work without it.");

const scratch = mkdtempSync(join(tmpdir(), "t86-"));
let bad = 0;
try {
  for (const name of wanted.length > 0 ? wanted : known) {
    const built = assemble(name);
    if (built === null) {
      bad++;
      continue;
    }
    const image = join(images, `${name}.img`);
    const complaint = unbootable(built);
    if (complaint !== null) {
      bad++;
      console.error(`${name}: ${complaint}`);
    } else if (!check) {
      writeFileSync(image, built);
      console.log(`${name}.img  ${built.length} bytes`);
    } else if (!existsSync(image) || !readFileSync(image).equals(built)) {
      bad++;
      console.error(`${name}: public/guests/${name}.img is not what guests/${name}.asm builds. Run: node scripts/build-guests.mjs ${name}`);
    } else {
      console.log(`${name}.img  as committed`);
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(bad > 0 ? 1 : 0);

/** The flat image of one guest, or null after NASM has said on stderr what is wrong. */
function assemble(name) {
  const out = join(scratch, `${name}.img`);
  try {
    execFileSync("nasm", ["-f", "bin", "-w+error", "-I", `${sources}/`, "-o", out, join(sources, `${name}.asm`)], { stdio: ["ignore", "inherit", "inherit"] });
  } catch {
    return null;
  }
  return readFileSync(out);
}

/** Why a BIOS would not start this image from a floppy drive, or null. */
function unbootable(image) {
  if (image.length < 512 || image.length % 512 !== 0) return `${image.length} bytes are no whole number of sectors`;
  if (image.length > FLOPPY_BYTES) return `${image.length} bytes do not fit on a 1.44 MB floppy`;
  if (image[510] !== 0x55 || image[511] !== 0xaa) return "no boot signature 55AA at byte 510";
  if (image.subarray(446, 510).some((byte) => byte !== 0)) return "bytes 446-509 would be read as a partition table";
  return null;
}

function fail(code, message) {
  console.error(message);
  process.exit(code);
}
