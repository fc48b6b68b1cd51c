// Every lab notices when what it is about is broken: one mechanism at a time is taken out of the processor's rules, the monitor or a
// technique, and the lab's own checks must fail.
import { describe, expect, it } from "vitest";
import type { LabSeams } from "../../src/cli/lab-run.ts";
import { labOf } from "../../src/labs/list.ts";
import { TECHNIQUE_LIST } from "../../src/monitor/techniques/list.ts";
import type { TechniqueId } from "../../src/protocol/technique.ts";
import { failures, runLab } from "./run-lab.ts";

/** The insides of a technique, which no interface names. */
// biome-ignore lint/suspicious/noExplicitAny: a test seam into private parts
type Insides = any;

interface Break {
  readonly lab: string;
  readonly mechanism: string;
  /** The steps of the lab that are run. */
  readonly steps: readonly string[];
  readonly seams: LabSeams;
}

/** The technique with something of it replaced. */
function technique(id: TechniqueId, breakIt: (technique: Insides) => void): LabSeams {
  return {
    techniques: TECHNIQUE_LIST.map((definition) => {
      const { create } = definition;
      if (definition.id !== id || !create) return definition;
      return {
        ...definition,
        create: (monitor) => {
          const made = create(monitor);
          breakIt(made);
          return made;
        },
      };
    }),
  };
}

const nothing = (): void => {};
const probes = (replaced: Insides): LabSeams => ({ prepare: (machine) => void Object.assign(machine.supervisor.probes, replaced) });
const EFLAGS_IOPL = 3 << 12;

const BREAKS: readonly Break[] = [
  { lab: "L1", mechanism: "the probe after a sensitive instruction", steps: ["trap"], seams: probes({ after: nothing }) },
  { lab: "L1", mechanism: "IOPL 0 of the silicon, by which CLI and STI fault", steps: ["trap"], seams: technique("trap", ({ projection }) => {
    const flags = projection.systemFlags.bind(projection);
    projection.systemFlags = (...args: unknown[]) => flags(...args) | EFLAGS_IOPL;
  }) },
  { lab: "L1", mechanism: "int3: the planting", steps: ["int3"], seams: technique("int3", (it) => { it.plant = nothing; }) },
  { lab: "L1", mechanism: "lite: the search for raw sites", steps: ["lite"], seams: technique("lite", (it) => { it.lookForRawSites = () => false; }) },
  { lab: "L2", mechanism: "CR4.UMIP of the silicon", steps: ["emulate", "trap umip"], seams: technique("trap", (it) => { it.projection.policy.umip = false; }) },
  { lab: "L2", mechanism: "translate: the replacing of sensitive instructions", steps: ["emulate", "translate"], seams: technique("translate", (it) => { it.emit = (row: unknown) => row; }) },
  { lab: "L3", mechanism: "scan: the holes that are left out of the copy", steps: ["scan"], seams: technique("scan", (it) => { Object.defineProperty(it, "mode", { get: () => "v86" }); }) },
  { lab: "L4", mechanism: "int3: the original bytes put back for a step", steps: ["emulate", "int3"], seams: technique("int3", (it) => { it.around = (step: () => void) => step(); }) },
  { lab: "L4", mechanism: "int3: the search in a page that comes later", steps: ["emulate", "int3"], seams: technique("int3", (it) => { it.note = nothing; }) },
  { lab: "L5", mechanism: "scan: copies that follow the guest's stores", steps: ["emulate", "scan"], seams: technique("scan", (it) => { it.changed = nothing; }) },
  { lab: "L5", mechanism: "scan: hostile pages", steps: ["scan"], seams: technique("scan", (it) => { it.isHostile = () => false; }) },
  { lab: "L5", mechanism: "scan: strictness", steps: ["scan"], seams: technique("scan", (it) => { it.rules.strict = false; }) },
  { lab: "L5", mechanism: "scan: the look at what an indirect branch leads into", steps: ["scan"], seams: technique("scan", (it) => { it.enterAt = nothing; }) },
  { lab: "L5", mechanism: "scan: the depth", steps: ["depth 1"], seams: technique("scan", (it) => { it.rules.depth = 32; }) },
  { lab: "L5", mechanism: "translate: the retranslation of what faults", steps: ["translate"], seams: technique("translate", (it) => { it.noteFault = nothing; }) },
  { lab: "L6", mechanism: "segment limits cut below the window", steps: ["trap"], seams: technique("trap", ({ descriptors }) => {
    descriptors.writeCut = (table: Insides, index: number, low: number, high: number) => table.write(0, index, low, high);
  }) },
  { lab: "L7", mechanism: "hidden user code segments", steps: ["trap tricks"], seams: technique("trap", (it) => { it.descriptors.policy.hideUserCode = false; }) },
  { lab: "L8", mechanism: "CR4.PVI of the silicon", steps: ["emulate", "lite"], seams: technique("lite", (it) => { it.projection.policy.pvi = false; }) },
  { lab: "L8", mechanism: "VIP, by which STI tells that an interrupt waits", steps: ["emulate", "lite"], seams: technique("lite", (it) => {
    Object.defineProperty(it.projection, "interruptWaits", { get: () => false, set: nothing });
  }) },
  { lab: "L9", mechanism: "CR4.VME of the silicon", steps: ["trap vme"], seams: technique("trap", (it) => { it.projection.policy.vme = false; }) },
  { lab: "L9", mechanism: "int3: holes of V86 mode", steps: ["emulate", "int3"], seams: technique("int3", (it) => { it.plant = nothing; }) },
  { lab: "L10", mechanism: "shadow entries that go with INVLPG and MOV CR3", steps: ["emulate", "trap"], seams: technique("trap", ({ paging }) => { paging.drop = nothing; }) },
  { lab: "L10", mechanism: "cached: the watch over the guest's tables", steps: ["emulate", "cached"], seams: technique("trap", ({ guestTables }) => { guestTables.written = nothing; }) },
  { lab: "L10", mechanism: "cached: shadows of earlier address spaces", steps: ["trap", "cached"], seams: technique("trap", ({ paging }) => {
    const use = paging.useContext.bind(paging);
    let other = 0;
    paging.useContext = (_key: string, emptied: unknown) => use(`new ${other++}`, emptied);
  }) },
  { lab: "L10", mechanism: "unsync: tables that are let go", steps: ["emulate", "unsync"], seams: technique("trap", ({ guestTables }) => { guestTables.loosen = nothing; }) },
  { lab: "L10", mechanism: "batch: the run to the last store", steps: ["emulate", "batch"], seams: technique("trap", (it) => { Object.defineProperty(it.guestTables, "inBatch", { get: () => false }); }) },
  { lab: "L10", mechanism: "vtx: the second level of paging", steps: ["emulate", "vtx"], seams: technique("vtx", (it) => {
    const enter = it.enter.bind(it);
    it.enter = () => {
      it.block.exceptionBitmap = 1 << 14;
      const ended = enter();
      it.block.exceptionBitmap |= 1 << 14; // page faults leave
      return ended;
    };
  }) },
  { lab: "L3", mechanism: "paravirt: the return to user code that a kernel asks for", steps: ["paravirt"], seams: technique("paravirt", (it) => { it.returnFromInterrupt = () => 0; }) },
  { lab: "L11", mechanism: "the window's move", steps: ["ring 3"], seams: technique("trap", ({ paging }) => { paging.moveWindow = () => false; }) },
  { lab: "L12", mechanism: "hybrid: the change to direct execution", steps: ["emulate", "hybrid"], seams: technique("hybrid", ({ friendliness }) => { friendliness.holds = () => false; }) },
];

describe("a lab fails without", () => {
  it.each(BREAKS.map((it) => [it.lab, it.mechanism, it] as const))("%s: %s", (id, _mechanism, { steps, seams }) => {
    const lab = labOf(id)!;
    expect(lab.steps.map((step) => step.id)).toEqual(expect.arrayContaining([...steps]));
    const { checks } = runLab(lab, { only: steps, seams });
    expect(failures(checks)).not.toEqual([]);
  });

  it("each of them has a break", () => {
    expect(new Set(BREAKS.map(({ lab }) => lab)).size).toBe(12);
  });
});
