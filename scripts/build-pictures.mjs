// Draws a picture of each bundled guest for its card: what its console shows, and what trapped or leaked, from a real run under the
// technique of the card. With names, those alone. `--check`: are the pictures what the guests show?

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

const FOLDER = "public/guests/pictures";
const WIDTH = 360, HEIGHT = 150;
const LINES = 10, CHARACTERS = 39, BARS = 6;
/** Guests that wait for a person: what their console shows when they do. */
const READY = { tour: "t86>" };

function run({ id, technique, ring }) {
  const args = ["run", id, "--technique", technique, "--ring", String(ring), "--json", "--max-instructions", "200e6", ...(READY[id] ? ["--expect", READY[id]] : [])];
  try {
    return JSON.parse(execFileSync("bin/trapscope", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  } catch (error) {
    return JSON.parse(error.stdout); // a guest that ends badly is what some of them show
  }
}

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function consoleLines(serial) {
  // Escape sequences are colours: the picture has its own.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences of a terminal begin with ESC
  const lines = serial.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, "").split(/\r?\n/).map((line) => line.trimEnd()).filter((line) => line !== "");
  const shown = lines.slice(-LINES);
  return shown.map((line) => (line.length > CHARACTERS ? `${line.slice(0, CHARACTERS - 1)}…` : line));
}

function bars({ traps, leaks, observed }) {
  const rows = [
    ...Object.entries(leaks.byInstruction).map(([name, count]) => ({ name, count, kind: "leaks", colour: "#ff8a8a" })),
    ...Object.entries(traps.byInstruction).map(([name, count]) => ({ name, count, kind: "traps", colour: "#eeb04f" })),
  ].sort((x, y) => (x.kind === y.kind ? y.count - x.count : x.kind === "leaks" ? -1 : 1));
  if (rows.length > 0) return rows.slice(0, BARS);
  return Object.entries(observed.byInstruction).map(([name, count]) => ({ name, count, kind: "observed", colour: "#93a3b0" })).sort((x, y) => y.count - x.count).slice(0, BARS);
}

function picture(guest) {
  const result = run(guest);
  const rows = bars(result);
  const most = Math.max(1, ...rows.map(({ count }) => Math.log10(count + 1)));
  const left = 240, wide = WIDTH - left - 12;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#0a0e12"/><rect x="${left - 10}" width="${WIDTH - left + 10}" height="${HEIGHT}" fill="#141b21"/>`,
    ...consoleLines(result.serialTail).map((line, index) => `<text x="10" y="${18 + index * 13}" font-size="8.6" fill="#c8d0d6" xml:space="preserve">${escaped(line)}</text>`),
    ...rows.map(({ name, count, kind, colour }, index) => {
      const y = 17 + index * 22, length = Math.max(3, (Math.log10(count + 1) / most) * wide);
      return `<text x="${left}" y="${y}" font-size="9" font-weight="700" fill="${colour}">${escaped(name)}</text>`
        + `<text x="${WIDTH - 10}" y="${y}" font-size="8" fill="#93a3b0" text-anchor="end">${count.toLocaleString("en-US")} ${count === 1 ? kind.replace(/s$/, "") : kind}</text>`
        + `<rect x="${left}" y="${y + 4}" width="${length.toFixed(1)}" height="4" rx="2" fill="${colour}"/>`;
    }),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

const check = process.argv.includes("--check");
mkdirSync(FOLDER, { recursive: true });
const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
let wrong = 0;
for (const guest of JSON.parse(readFileSync("public/guests/index.json", "utf8")).guests) {
  if (names.length > 0 && !names.includes(guest.id)) continue;
  const path = `${FOLDER}/${guest.id}.svg`, own = picture(guest);
  if (!check) writeFileSync(path, own);
  else if (!existsSync(path) || readFileSync(path, "utf8") !== own) {
    process.stderr.write(`${path} is not what the guest shows: run node scripts/build-pictures.mjs\n`);
    wrong++;
  }
}
process.exit(wrong > 0 ? 1 : 0);
