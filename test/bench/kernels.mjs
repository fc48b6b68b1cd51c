// The two loops of guests/compute.asm: what an engine makes of hot code.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inTurn, MB, median, onMachine, onV86, options, print, root, round, scratch, table, v86Missing } from "./harness.mjs";

/** guests/compute.asm: image offsets of the iteration counts, and how many more iterations a warm translator needs. */
const K1_ITERATIONS = 0x204, K2_ITERATIONS = 0x208, LONGER = options.quick ? 1 : 5;

function longerCompute() {
  const image = readFileSync(join(root, "public/guests/compute.img"));
  for (const at of [K1_ITERATIONS, K2_ITERATIONS]) image.writeUInt32LE(image.readUInt32LE(at) * LONGER, at);
  const path = join(scratch, "compute.img");
  writeFileSync(path, image);
  return path;
}

export async function kernels() {
  const task = { task: "lines", drive: "fda", image: longerCompute(), memoryBytes: 16 * MB, until: "K2 iterations" };
  const engines = { trapscope: () => onMachine(task) };
  if (v86Missing === null) {
    engines["v86, disable_jit"] = () => onV86({ ...task, jit: false });
    engines["v86"] = () => onV86({ ...task, jit: true });
  }
  const results = await inTurn(engines);
  /** Times of the lines before and behind a loop. */
  const loop = ({ lines }, number) => {
    const at = lines.findIndex((line) => line.text.startsWith(`K${number} iterations`));
    return { from: lines[at - 1], to: lines[at] };
  };
  const checks = new Set(Object.values(results).flat().map((result) => [1, 2].map((number) => loop(result, number).to.text.match(/check=(\w+)/)[1]).join(" ")));
  const report = { iterationsTimes: LONGER, checks: [...checks], engines: {} };
  const rows = [];
  for (const [name, runs] of Object.entries(results)) {
    const row = [name];
    report.engines[name] = {};
    for (const number of [1, 2]) {
      // The guest executes the same instructions on every engine: trapscope's exact count serves for all.
      const exact = loop(results.trapscope[0], number);
      const instructions = exact.to.instructions - exact.from.instructions;
      const spans = runs.map((result) => loop(result, number));
      const mips = (field) => round(instructions / 1e6 / median(spans.map(({ from, to }) => to[field] - from[field])), 0);
      const own = { instructions, seconds: spans.map(({ from, to }) => round(to.seconds - from.seconds, 3)), mips: mips("seconds"), mipsByCpuTime: mips("cpuSeconds") };
      report.engines[name][`k${number}`] = own;
      row.push(own.mips, `(${own.mipsByCpuTime})`);
    }
    rows.push(row);
  }
  print(`Kernels K1 and K2 of guests/compute.asm, ${LONGER} x their iterations, guest MIPS; check ${[...checks].join(" / ")}`);
  table(["engine", "K1", "(CPU)", "K2", "(CPU)"], rows);
  for (const name of Object.keys(report.engines).slice(1)) {
    const ratio = (field) => [1, 2].map((n) => round(report.engines.trapscope[`k${n}`][field] / report.engines[name][`k${n}`][field], 2));
    report.engines[name].trapscopeIs = { wall: ratio("mips"), cpuTime: ratio("mipsByCpuTime") };
    print(`trapscope is ${ratio("mips").join(" and ")} times ${name} (by CPU time ${ratio("mipsByCpuTime").join(" and ")}).`);
  }
  print();
  if (checks.size !== 1) throw new Error(`the check values differ: ${[...checks].join(", ")}`);
  return report;
}
