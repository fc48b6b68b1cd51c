// The techniques that are built, in the order of their numbers (T0 ...). A further one is its own file and a line here.

import type { TechniqueId } from "../../protocol/technique.ts";
import { emulate } from "./emulate.ts";
import { hybrid } from "./hybrid.ts";
import { int3 } from "./int3.ts";
import { lite } from "./lite.ts";
import { paravirt } from "./paravirt.ts";
import { scan } from "./scan-harvard.ts";
import type { TechniqueDefinition } from "./technique.ts";
import { translate } from "./translate.ts";
import { trap } from "./trap.ts";
import { vtx } from "./vtx.ts";

export const TECHNIQUE_LIST: readonly TechniqueDefinition[] = [
  emulate,
  trap,
  int3,
  scan,
  lite,
  hybrid,
  translate,
  paravirt,
  vtx,
];

export const BUILT_TECHNIQUES: readonly TechniqueId[] = TECHNIQUE_LIST.map(({ id }) => id);
