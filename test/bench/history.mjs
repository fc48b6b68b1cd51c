// What npm run bench has measured over time: docs/bench-history.json, and a chart of it for people.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { print, root } from "./harness.mjs";

const HISTORY = join(root, "docs/bench-history.json"), CHART = join(root, "docs/bench-history.svg");
const WIDTH = 760, PANEL = 170, LEFT = 60, RIGHT = 190, TOP = 30, BOTTOM = 34;
const COLOURS = ["#1f6feb", "#d1242f", "#1a7f37", "#9a6700"];

const ratio = (times, other) => times?.[other] && times.trapscope && times[other].seconds / times.trapscope.seconds;

/** Each panel: its heading, and its lines as values of a report; undefined where that was not measured. */
const PANELS = [
  { title: "Boot from disk, seconds", lines: { trapscope: ({ boot }) => boot?.disk?.trapscope?.seconds, v86: ({ boot }) => boot?.disk?.v86?.seconds, QEMU: ({ boot }) => boot?.disk?.QEMU?.seconds } },
  {
    title: "Programs: times faster than (geometric mean, wall clock)",
    lines: {
      v86: ({ programs }) => programs?.means.v86?.seconds, QEMU: ({ programs }) => programs?.means.QEMU?.seconds,
      "v86, in Chromium": ({ chromium }) => chromium?.means.v86?.seconds, "v86, boot from disk": ({ boot }) => ratio(boot?.disk, "v86"),
    },
  },
  { title: "Exits a second of processor time (CLI, STI)", lines: { "ring 1": ({ traps }) => traps?.exits["CLI, STI, ring 1"].perCpuSecond, "ring 3": ({ traps }) => traps?.exits["CLI, STI, ring 3"].perCpuSecond } },
];

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function panel({ title, lines }, number, reports) {
  const series = Object.entries(lines).map(([name, of], n) => ({ name, colour: COLOURS[n], points: reports.map(of) })).filter(({ points }) => points.some((value) => value !== undefined));
  const top = number * PANEL + TOP, bottom = (number + 1) * PANEL - BOTTOM;
  const most = Math.max(...series.flatMap(({ points }) => points.filter((value) => value !== undefined)), 0) || 1;
  const x = (n) => LEFT + ((WIDTH - LEFT - RIGHT) * (n + 0.5)) / reports.length, y = (value) => bottom - ((bottom - top) * value) / most;
  const label = (value) => (value >= 1000 ? `${Math.round(value / 1000)}k` : value.toFixed(value >= 10 ? 0 : 1));
  const drawn = series.flatMap(({ name, colour, points }, n) => {
    const known = points.flatMap((value, at) => (value === undefined ? [] : [[x(at), y(value), value]]));
    return [
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${known.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" ")}"/>`,
      ...known.map(([px, py, value]) => `<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="3" fill="${colour}"><title>${escaped(name)}: ${label(value)}</title></circle>`),
      `<text x="${WIDTH - RIGHT + 12}" y="${top + 14 + n * 18}" fill="${colour}">${escaped(name)} ${label(known.at(-1)[2])}</text>`,
    ];
  });
  return [
    `<text x="${LEFT}" y="${top - 12}" font-weight="bold">${escaped(title)}</text>`,
    ...[0, most / 2, most].map((value) => `<path d="M${LEFT} ${y(value).toFixed(1)}H${WIDTH - RIGHT}" stroke="#8883"/><text x="${LEFT - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${label(value)}</text>`),
    ...drawn,
    ...reports.map(({ date }, n) => `<text x="${x(n).toFixed(1)}" y="${bottom + 18}" text-anchor="middle" font-size="10">${date}</text>`),
  ].join("\n");
}

export function chart(reports) {
  const height = PANELS.length * PANEL;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#57606a" role="img" aria-label="What npm run bench has measured over time">
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
${PANELS.map((own, n) => panel(own, n, reports)).join("\n")}
</svg>
`;
}

/** Adds a report to those that are kept, and draws the chart anew. */
export function keep(report) {
  const reports = [...(existsSync(HISTORY) ? JSON.parse(readFileSync(HISTORY, "utf8")) : []), report];
  writeFileSync(HISTORY, `[\n${reports.map((own) => JSON.stringify(own)).join(",\n")}\n]\n`);
  writeFileSync(CHART, chart(reports));
  print(`Kept: docs/bench-history.json, docs/bench-history.svg (${reports.length})`);
}
