// Command line of scripts/hostile.mjs.

import { parseArgs } from "node:util";
import { BUILT_TECHNIQUES } from "../../src/machine/supervisor.ts";
import type { Ring, TechniqueId } from "../../src/protocol/technique.ts";
import { type HostileKind, HostileMachine, KINDS } from "./hostile-machine.ts";
import { hunt } from "./hunt.ts";

const USAGE = `usage: node scripts/hostile.mjs [--seconds N] [--seed N] [--kind ${KINDS.join("|")}] [--technique NAME[/1|/3]] [--translated] [--only]

Runs guests of random code, page tables, descriptors and device accesses, and looks whether any of them reaches beyond its RAM.
  --seconds N    for each kind under each technique (60)
  --seed N       of the first guest; the next one takes the next number (the time of day)
  --kind NAME    only this kind
  --technique T  only this technique, for example emulate or trap/3
  --translated   with hot code translated to WebAssembly (under emulate)
  --only         the one guest of --seed`;

export function main(): number {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" }, seed: { type: "string" }, kind: { type: "string" }, technique: { type: "string" },
      translated: { type: "boolean", default: false }, only: { type: "boolean", default: false }, help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
  const worlds: (readonly [TechniqueId, Ring, boolean])[] = BUILT_TECHNIQUES.flatMap((id) => [[id, 1, false], [id, id === "emulate" ? 1 : 3, id === "emulate"]]);
  const chosen = worlds.filter(([id, ring, jit]) => jit === (values.translated || (values.technique === undefined && jit)) && (values.technique ?? `${id}/${ring}`).split("/").every((part, n) => (n === 0 ? part === id : Number(part) === ring)));
  if (chosen.length === 0) throw new Error(`--technique ${values.technique} is not built`);
  let failures = 0;
  for (const [technique, ring, jit] of chosen) {
    const hostile = new HostileMachine(technique, ring, jit);
    for (const kind of KINDS.filter((name: HostileKind) => values.kind === undefined || values.kind === name)) {
      const { guests, failure } = hunt(hostile, kind, seed, values.only ? 0 : Number(values.seconds) * 1000);
      console.log(`${hostile.name}, ${kind}: ${guests} guests from seed ${seed}${failure === null ? ", all stayed where they are" : ""}`);
      if (failure === null) continue;
      failures++;
      console.log(failure);
    }
  }
  return failures === 0 ? 0 : 1;
}
