// Collects what the headers of src/ say after "Deviation:" and "Not implemented:" into the lists of docs/quirks.md.
//   node scripts/build-quirks.mjs           writes
//   node scripts/build-quirks.mjs --check   compares; exit 1 where they differ
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const page = join(root, "docs/quirks.md");
const MARK = "<!-- from the sources: node scripts/build-quirks.mjs -->\n";
/** Folders with a heading of their own, in order. */
const PARTS = { isa: "Instructions", cpu: "Processor", hardware: "Devices", firmware: "Firmware", block: "Disk images", machine: "Board", monitor: "Monitor" };

/** What only tests use lacks nothing in the machine. */
const TEST_TOOLS = /(\.test|evaluator|evaluating-builder|describe-device)\.ts$/;

/** The comment that a file begins with, one line a paragraph. */
function header(text) {
  const lines = text.slice(0, text.search(/^(?!\/\/)/m)).split("\n").map((line) => line.replace(/^\/\/ ?/, ""));
  return lines.join("\n").split(/\n\s*\n/).map((paragraph) => paragraph.replace(/\n/g, " "));
}

/** [kind, text] of each note in a paragraph: from its marker to the next one or the paragraph's end. */
function notes(paragraph) {
  const found = [...paragraph.matchAll(/(Deviations?|Not implemented): /g)];
  return found.map((match, n) => [match[1].startsWith("D") ? "differs" : "lacks", paragraph.slice(match.index + match[0].length, found[n + 1]?.index).trim()]);
}

function list(folder) {
  const rows = [];
  for (const name of readdirSync(join(root, "src", folder), { recursive: true }).map(String).sort()) {
    if (!name.endsWith(".ts") || TEST_TOOLS.test(name)) continue;
    const found = header(readFileSync(join(root, "src", folder, name), "utf8")).flatMap(notes);
    for (const [kind, text] of found) rows.push(`- \`${folder}/${name}\` ${kind === "differs" ? "**differs**" : "lacks"}: ${text}`);
  }
  return rows;
}

const sections = Object.entries(PARTS).flatMap(([folder, title]) => {
  const rows = list(folder);
  return rows.length > 0 ? [`### ${title}\n\n${rows.join("\n")}\n`] : [];
});
const before = readFileSync(page, "utf8");
const at = before.indexOf(MARK);
if (at < 0) throw new Error(`docs/quirks.md lacks the line ${MARK}`);
const after = `${before.slice(0, at)}${MARK}\n${sections.join("\n")}`;
if (!process.argv.includes("--check")) writeFileSync(page, after);
else if (after !== before) {
  process.stderr.write("build-quirks: docs/quirks.md differs from the headers of src/. Run: node scripts/build-quirks.mjs\n");
  process.exitCode = 1;
}
