// The part `programs` of npm run bench: the guest's own benchmark program, the same binary on every engine, after the boot of a Debian
// disk that holds it as /bin/bench. It prints "NAME seconds check=XXXXXXXX" for each of its parts; the check values must be the same on every engine.

const MB = 1 << 20;
export const BOOT_TEXT = "GUEST READY";
const END_TEXT = "BENCH DONE", PROMPT = "# ";
/** i386 glibc copies with REP MOVS, which QEMU's TCG does element by element: no part of the mean. */
const APART = "memcpy";

export const programsTask = (image, names, percent) => ({
  task: "lines", drive: "hda", image, memoryBytes: 128 * MB, jit: true, until: END_TEXT, typed: { after: PROMPT, text: `bench ${names.join(" ")} -s ${percent} || echo BENCH" "DONE\n` },
});

/** Round after round of the same, for so many minutes: does memory grow, or time? */
export const soakTask = (image, names, percent, minutes) => ({
  ...programsTask(image, names, percent), minutes, typed: { after: PROMPT, text: `while :; do bench ${names.join(" ")} -s ${percent}; done\n` },
});

/** By round: seconds, seconds of processor time, and bytes of memory at its end. */
export function soakRounds({ lines }) {
  const ends = lines.filter(({ text }) => text.includes(END_TEXT));
  return ends.slice(1).map(({ seconds, cpuSeconds, rss }, n) => ({ seconds: seconds - ends[n].seconds, cpuSeconds: cpuSeconds - ends[n].cpuSeconds, rss }));
}

/** By name: seconds of wall clock and of processor time between the lines at its start and end, and its check value. */
export function timesOf({ lines }) {
  const times = new Map();
  let start = null;
  for (const line of lines) {
    const [, name, check] = /^(\w+) [\d.]+ check=(\w+)/.exec(line.text) ?? [];
    if (line.text.startsWith("START ")) start = line;
    else if (name) times.set(name, { seconds: line.seconds - start.seconds, cpuSeconds: line.cpuSeconds - start.cpuSeconds, check });
  }
  const ready = lines.find((line) => line.text.includes(BOOT_TEXT));
  return { boot: { seconds: ready.seconds, cpuSeconds: ready.cpuSeconds }, times };
}

const geometricMean = (numbers) => Math.exp(numbers.reduce((sum, x) => sum + Math.log(x), 0) / numbers.length);

/** `runs`: by engine, what the rounds gave; trapscope's ratios to the others. */
export function compare(runs, median) {
  const engines = Object.fromEntries(Object.entries(runs).map(([name, results]) => [name, results.map((result) => ({ ...timesOf(result), peakRss: result.peakRss }))]));
  const names = [...engines.trapscope[0].times.keys()];
  const others = Object.keys(engines).filter((name) => name !== "trapscope");
  const of = (engine, pick) => median(engines[engine].map(pick));
  const programs = names.map((name) => {
    const checks = new Set(Object.values(engines).flat().map(({ times }) => times.get(name)?.check ?? "none"));
    const row = { name, check: [...checks].join(" "), same: checks.size === 1 };
    for (const engine of Object.keys(engines)) {
      row[engine] = { seconds: of(engine, ({ times }) => times.get(name)?.seconds ?? NaN), cpuSeconds: of(engine, ({ times }) => times.get(name)?.cpuSeconds ?? NaN) };
    }
    return row;
  });
  const boot = Object.fromEntries(Object.keys(engines).map((engine) => [engine, {
    seconds: of(engine, ({ boot: { seconds } }) => seconds), cpuSeconds: of(engine, ({ boot: { cpuSeconds } }) => cpuSeconds), peakRss: of(engine, ({ peakRss }) => peakRss),
  }]));
  const means = Object.fromEntries(others.map((other) => [other, Object.fromEntries(["seconds", "cpuSeconds"].map((field) => [
    field, geometricMean(programs.filter(({ name }) => name !== APART).map((row) => row[other][field] / row.trapscope[field])),
  ]))]));
  return { programs, boot, means, others };
}

/** Rows for a table: by processor time, and the ratios of both. */
export function tableOf({ programs, boot, means, others }) {
  const number = (value) => value.toFixed(2);
  const row = (name, values, tail) => [
    name, number(values.trapscope.cpuSeconds), ...others.flatMap((other) => [
      number(values[other].cpuSeconds), number(values[other].cpuSeconds / values.trapscope.cpuSeconds), number(values[other].seconds / values.trapscope.seconds),
    ]), tail,
  ];
  return {
    head: ["program", "trapscope", ...others.flatMap((other) => [other, "ratio", "by wall"]), "check"],
    rows: [
      row("boot", boot, ""), ...programs.map((values) => row(values.name, values, values.same ? "same" : values.check)),
      ["geometric mean", "", ...others.flatMap((other) => ["", number(means[other].cpuSeconds), number(means[other].seconds)]), `without ${APART}`],
    ],
  };
}
