// T0, full emulation: no monitor at all. The guest is on V, in its own rings, with its own tables.

import type { TechniqueDefinition } from "./technique.ts";

export const emulate: TechniqueDefinition = { id: "emulate" };
