// Command line of scripts/hostile.mjs.

import { parseArgs } from "node:util";
import { HOSTILE_WORLDS, type HostileKind, HostileMachine, KINDS, worldName } from "./hostile-machine.ts";
import { hunt } from "./hunt.ts";

const USAGE = `usage: node scripts/hostile.mjs [--seconds N] [--seed N] [--kind ${KINDS.join("|")}] [--technique WORLD] [--only]

Runs guests of random code, page tables, descriptors and device accesses, and looks whether any of them reaches beyond its RAM.
  --seconds N    of processor time, for each kind under each technique (60)
  --seed N       of the first guest; the next one takes the next number (the time of day)
  --kind NAME    only this kind
  --technique W  only what begins like this, for example emulate, trap/3 or "vtx/1 shadow=drop-all"; "emulate/1 translated" has hot code
                 translated to WebAssembly
  --only         the one guest of --seed`;

export function main(): number {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" }, seed: { type: "string" }, kind: { type: "string" }, technique: { type: "string" },
      only: { type: "boolean", default: false }, help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
  const chosen = HOSTILE_WORLDS.filter((world) => worldName(world).startsWith(values.technique ?? ""));
  if (chosen.length === 0) throw new Error(`--technique ${values.technique}: one of ${HOSTILE_WORLDS.map(worldName).join(", ")}`);
  let failures = 0;
  for (const world of chosen) {
    const hostile = new HostileMachine(world);
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
