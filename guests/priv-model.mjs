// What each line of the t86 guest `priv` must be, typed from the manual (Intel SDM volumes 2 and 3A): the independent side
// of the comparison. It knows neither our processor nor our monitor.
//   node guests/priv-model.mjs                the text with every feature
//   node guests/priv-model.mjs --without vme,umip,tsc,msr,sep
//   node guests/priv-model.mjs --write        writes priv.expected.json;   --check compares it
// Manual sections: 2A/2B the "Operation" of each instruction; 3A "Privileged Instructions", "User-Mode Instruction
// Prevention", "Virtual-8086 Mode" (sensitive instructions, I/O, INT n methods, protected-mode virtual interrupts).
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const FEATURES = ["vme", "umip", "tsc", "msr", "sep", "fxsr"];
/** What our processor does not offer its guests: UMIP came with CPUID leaf 7, long after the P6. */
const ABSENT = ["umip"];

const CF = 1, IF = 0x200, IOPL = 0x3000, VIF = 0x80000, VIP = 0x100000;
const V86 = "v86";
const KERNEL_CS = 0x08, KERNEL_DS = 0x10;
const SELECTOR = { 0: 0x08, 1: 0x39, 2: 0x4a, 3: 0x1b };
const GDT_LIMIT = 12 * 8 - 1, IDT_LIMIT = 256 * 8 - 1, LDT_SELECTOR = 0x30, TSS_SELECTOR = 0x58, CR0 = 0x11;

const hex = (value, digits) => (value >>> 0).toString(16).toUpperCase().padStart(digits, "0");
const ran = (value) => (value === undefined ? "ran" : `ran ${hex(value, 8)}`);
const gp = (error = 0) => `#GP(${hex(error, 4)})`;

/** IOPL-sensitive in V86 mode: faults below IOPL 3 where VME does not help. */
const v86Faults = (s) => s.ring === V86 && s.iopl < 3 && !s.vme;
const shown = (s) => s.eflags & (CF | IF | IOPL | VIF | VIP);
const withIf = (s, on) => (on ? shown(s) | IF : shown(s) & ~IF);
const withVif = (s, on) => (on ? shown(s) | VIF : shown(s) & ~VIF);

/** POPF, POPFD, IRET, IRETD within one ring, with an image whose IOPL is 0 and whose CF is `carry`. */
function loadFlags(s, setsIf, carry, bits) {
  let flags = (shown(s) & ~CF) | carry;
  if (s.ring === V86) {
    if (s.iopl === 3) return ran(setsIf ? flags | IF : flags & ~IF);
    if (!s.vme || bits === 32) return gp();
    if (setsIf && s.eflags & VIP) return gp();
    return ran(setsIf ? flags | VIF : flags & ~VIF);
  }
  if (s.ring <= s.iopl) flags = setsIf ? flags | IF : flags & ~IF;
  if (s.ring === 0) flags &= ~IOPL;
  return ran(flags);
}

/** CLI and STI share the choice between IF, VIF and #GP. */
function setInterruptFlag(s, on) {
  const direct = s.ring === V86 ? s.iopl === 3 : s.ring <= s.iopl;
  if (direct) return ran(withIf(s, on));
  const virtual = s.ring === V86 ? s.vme : s.pvi && s.ring === 3;
  if (!virtual) return gp();
  return on && s.eflags & VIP ? gp() : ran(withVif(s, on));
}

/** INT n; `dpl` of the gate, `redirected` = bit of the TSS's redirection map clear. */
function softwareInterrupt(s, vector, dpl, redirected) {
  if (s.ring !== V86) return dpl >= s.ring ? `INT ${hex(vector, 2)}` : gp(vector * 8 + 2);
  if (s.vme && redirected) {
    // Method 5 or 6: the vector table of the 8086 program. Below IOPL 3 the pushed image shows VIF as IF, and IOPL 3.
    return ran(s.iopl === 3 ? 0x3002 | (s.eflags & IF) : 0x3002 | (s.eflags & VIF ? IF : 0));
  }
  if (s.iopl < 3) return gp();
  return dpl >= 3 ? `INT ${hex(vector, 2)}` : gp(vector * 8 + 2);
}

const io = (allowed) => (s) => (s.ring !== V86 && s.ring <= s.iopl) || allowed ? ran() : gp();
const cpl = (s) => (s.ring === V86 ? 3 : s.ring);
const privileged = (value) => (s) => (cpl(s) === 0 ? (typeof value === "string" ? value : ran(value)) : gp());
const notInV86 = (outcome) => (s) => (s.ring === V86 ? "#UD" : outcome(s));
const umip = (value) => (s) => (s.umip && cpl(s) > 0 ? gp() : ran(value));
const always = (outcome) => () => outcome;

// name, what varies, entry EFLAGS (VIF counts only with VME or PVI), outcome, limits
const T = (name, vary, flags, outcome, limits = {}) => ({ name, vary, flags, outcome, ...limits });
export const TESTS = [
  T("CLI", "if", IF | VIF, (s) => setInterruptFlag(s, false)),
  T("STI", "vip", 0, (s) => setInterruptFlag(s, true)),
  T("PUSHF", "if", IF, (s) => {
    if (v86Faults(s)) return gp();
    if (s.ring === V86 && s.iopl < 3) return ran(0x3002 | (s.eflags & VIF ? IF : 0));
    return ran(0x0002 | (s.eflags & (IF | IOPL)));
  }),
  T("PUSHFD", "if", IF, (s) => (s.ring === V86 && s.iopl < 3 ? gp() : ran(0x0002 | (s.eflags & (IF | IOPL | VIF | VIP))))),
  T("POPF", "if", IF | VIF, (s) => loadFlags(s, false, CF, 16)),
  T("POPF-IF", "vip", 0, (s) => loadFlags(s, true, CF, 16)),
  T("POPFD", "if", IF | VIF, (s) => loadFlags(s, false, CF, 32)),
  T("IRET", "if", IF | VIF, (s) => loadFlags(s, false, CF, 16)),
  T("IRETD", "if", IF | VIF, (s) => loadFlags(s, false, CF, 32)),
  T("INT80", "if", IF, (s) => softwareInterrupt(s, 0x80, 3, true)),
  T("INT81", "if", IF, (s) => softwareInterrupt(s, 0x81, 0, false)),
  T("IN-84", "if", 0, io(false)),
  T("IN-85", "if", 0, io(true)),
  T("OUT-84", "if", 0, io(false)),
  T("OUT-85", "if", 0, io(true)),
  T("SGDT", "umip", 0, umip(GDT_LIMIT)),
  T("SIDT", "umip", 0, umip(IDT_LIMIT)),
  T("SLDT", "umip", 0, notInV86(umip(LDT_SELECTOR))),
  T("STR", "umip", 0, notInV86(umip(TSS_SELECTOR))),
  T("SMSW", "umip", 0, umip(CR0)),
  T("RDTSC", "tsd", 0, (s) => (s.tsd && cpl(s) > 0 ? gp() : ran()), { needs: ["tsc"] }),
  T("CLTS", "iopl", 0, privileged()),
  T("LMSW", "iopl", 0, privileged()),
  T("LGDT", "iopl", 0, privileged()),
  T("LIDT", "iopl", 0, privileged()),
  T("LLDT", "iopl", 0, notInV86(privileged())),
  T("LTR", "iopl", 0, notInV86(privileged(gp(KERNEL_DS)))),
  T("MOV-CR0", "iopl", 0, privileged(CR0)),
  T("MOVtoCR0", "iopl", 0, privileged()),
  T("MOV-CR2", "iopl", 0, privileged()),
  T("MOV-CR3", "iopl", 0, privileged()),
  T("MOVtoCR3", "iopl", 0, privileged()),
  T("MOV-CR4", "iopl", 0, privileged(0)),
  T("MOV-DR7", "iopl", 0, privileged(0x400)),
  T("MOVtoDR7", "iopl", 0, privileged()),
  T("INVLPG", "iopl", 0, privileged()),
  T("INVD", "iopl", 0, privileged(), { notRing0: true }),
  T("WBINVD", "iopl", 0, privileged()),
  T("HLT", "iopl", 0, privileged(), { notRing0: true }),
  T("RDMSR", "iopl", 0, privileged(), { needs: ["msr", "tsc"] }),
  T("WRMSR", "iopl", 0, privileged(), { needs: ["msr", "sep"] }),
  T("RDPMC", "iopl", 0, privileged(), { notRing0: true }),
  T("SYSENTER", "none", 0, always(gp()), { needs: ["sep"] }),
  T("SYSEXIT", "none", 0, always(gp()), { needs: ["sep"] }),
  T("LAR-08", "none", 0, notInV86((s) => ran(s.ring === 0 ? 0x00c09b00 : 0))),
  T("LAR-18", "none", 0, () => ran(0x00c0fb00), { notV86: true }),
  T("LSL-10", "none", 0, notInV86((s) => ran(s.ring === 0 ? 0xffffffff : 0))),
  T("VERR-10", "none", 0, notInV86((s) => ran(s.ring === 0 ? 1 : 0))),
  T("VERW-10", "none", 0, notInV86((s) => ran(s.ring === 0 ? 1 : 0))),
  T("VERW-18", "none", 0, () => ran(0), { notV86: true }),
  T("ARPL", "none", 0, notInV86(() => ran(0x22))),
  T("MOV-CS", "none", 0, (s) => ran(s.ring === V86 ? 0 : SELECTOR[s.ring])),
  T("PUSH-CS", "none", 0, (s) => ran(s.ring === V86 ? 0 : SELECTOR[s.ring])),
  // SDM Vol. 1, "x87 FPU Instruction and Data (Operand) Pointers": the selector of CS at the x87 instruction before.
  T("FNSTENV", "none", 0, (s) => ran(SELECTOR[s.ring]), { notV86: true }),
  T("FNSAVE", "none", 0, (s) => ran(SELECTOR[s.ring]), { notV86: true }),
  T("FXSAVE", "none", 0, (s) => ran(SELECTOR[s.ring]), { notV86: true, needs: ["fxsr"] }),
  T("MOVtoDS", "none", 0, (s) => (s.ring === V86 || s.ring === 0 ? ran() : gp(KERNEL_DS))),
  T("JMPF-08", "none", 0, (s) => (s.ring === 0 ? ran() : gp(KERNEL_CS)), { notV86: true }),
  T("CPUID", "none", 0, always(ran())),
  T("INT3", "none", 0, always("#BP")),
  T("INTO", "none", 0, always("#OF")),
  T("INT1", "none", 0, always("#DB")),
  T("UD2", "none", 0, always("#UD")),
];

/** The states that one test is tried in: { iopl, cr4: "" | "VME" | "PVI" | "UMIP" | "TSD", vip }. */
function states(test, ring, has) {
  const at = (iopl, cr4 = "", vip = false) => ({ iopl, cr4, vip });
  if (test.vary === "none") return [at(0)];
  if (test.vary === "iopl") return [at(0), at(3)];
  if (test.vary === "umip") return has("umip") ? [at(0), at(0, "UMIP")] : [at(0)];
  if (test.vary === "tsd") return [at(0), at(0, "TSD")];
  const list = [0, 1, 2, 3].map((iopl) => at(iopl));
  if (!has("vme")) return list;
  if (ring !== 3 && ring !== V86) return [...list, at(0, "PVI")];
  const cr4 = ring === V86 ? "VME" : "PVI";
  list.push(...[0, 1, 2, 3].map((iopl) => at(iopl, cr4)));
  return test.vary === "vip" ? [...list, at(0, cr4, true), at(3, cr4, true)] : list;
}

/** Every cell in the order in which the guest runs them. */
export function cells(without = []) {
  const has = (feature) => !without.includes(feature);
  const list = [];
  for (const ring of [0, 3, 1, 2, V86]) {
    for (const test of TESTS) {
      if (test.needs?.some((feature) => !has(feature))) continue;
      if ((ring === 0 && test.notRing0) || (ring === V86 && test.notV86)) continue;
      for (const { iopl, cr4, vip } of states(test, ring, has)) {
        const virtual = cr4 === "VME" || cr4 === "PVI";
        const entry = virtual && (ring === 3 || ring === V86) ? test.flags : test.flags & ~VIF;
        const s = { ring, iopl, vme: cr4 === "VME", pvi: cr4 === "PVI", umip: cr4 === "UMIP", tsd: cr4 === "TSD",
          eflags: entry | (iopl << 12) | (vip ? VIP : 0) };
        const where = ring === V86 ? "v86 " : `cpl${ring}`;
        const bits = (cr4 === "" ? "-" : vip ? `${cr4}+VIP` : cr4).padEnd(8);
        list.push({ ring, test, state: s, line: `${test.name.padEnd(8)} ${where} iopl${iopl} ${bits} ${test.outcome(s)}` });
      }
    }
  }
  return list;
}

/** All that COM1 receives. */
export function serial(without = []) {
  const names = { vme: " VME PVI", umip: " UMIP", tsc: " TSC", msr: " MSR", sep: " SYSENTER", fxsr: " FXSR" };
  const left = FEATURES.filter((feature) => without.includes(feature)).map((feature) => names[feature]).join("") || " nothing";
  const list = cells(without);
  return [`t86 priv: one instruction a line`, `left out:${left}`, ...list.map((cell) => cell.line), `cells: ${list.length}`, ""].join("\r\n");
}

// ---------------------------------------------------------------- under the technique `trap`
// What the processor's protection rules make of the same cells when the kernel was moved to ring `real` (1 or 3) with
// IOPL 0, IF 1, VME off, an I/O map of ones and gates of DPL 0: trap (with its reason), leak, or neither. CR4.UMIP and
// CR4.TSD are what the switch says; while ring 3 runs the guest's own TSD is in force as well.
// `tricks`: the user code segment is not present while the guest is in ring 0.
// The kernel's own instructions in a cell: MOV to CR4 before and after, IRETD into the state, UD2 behind what ran.

const INSTRUCTION = { "POPF-IF": "POPF", POPFD: "POPF", PUSHFD: "PUSHF", IRETD: "IRET", INT80: "INT", INT81: "INT", "LAR-08": "LAR", "LAR-18": "LAR",
  "LSL-10": "LSL", "VERR-10": "VERR", "VERW-10": "VERW", "VERW-18": "VERW", "MOV-CS": "MOV", "PUSH-CS": "PUSH", "JMPF-08": "JMP" };
const instructionOf = (name) => INSTRUCTION[name] ?? name.replace(/^(IN|OUT|MOV)(-|to).*$/, "$1");

/** { trap: reason } | { leak: true } | {} for the tested instruction; the guest's kernel is in ring `real`. */
function underTrap(test, s, { real, tricks, umip }) {
  const { name } = test;
  const kernel = s.ring === 0;
  if (name === "INT3") return { trap: "#BP" };
  if (name === "INTO") return { trap: "#OF" };
  if (name === "INT1") return { trap: "#DB" };
  if (name === "UD2") return { trap: "#UD" };
  if (name === "SYSENTER") return { trap: "SYSENTER" };
  if (/^(CLI|STI|INT8|IN-|OUT-)/.test(name) || test.vary === "iopl" || name === "SYSEXIT") return { trap: "#GP" };
  if (name.startsWith("PUSHF")) return { leak: s.iopl !== 0 };
  // At ring 0 the image changes IF; at ring 3 only IOPL 3 lets it, and the processor's IOPL is 0.
  if (/^(POPF|IRET)/.test(name)) return { leak: kernel || s.iopl === 3 };
  if (test.vary === "umip") return umip ? { trap: "#GP" } : { leak: true };
  // The processor's counter ran on while the monitor worked.
  if (name === "RDTSC") return s.tsd && !kernel ? { trap: "#GP" } : { leak: true };
  if (name === "LAR-08" || name === "MOV-CS" || name === "PUSH-CS" || name.startsWith("F")) return { leak: kernel };
  if (name === "LAR-18") return { leak: kernel && tricks };
  if (name === "LSL-10") return { leak: kernel && real === 1 };
  if (name === "MOVtoDS" || name === "JMPF-08") return kernel ? {} : { trap: "#GP" };
  return {};
}

/** Counts of one phase: `ring` 0, or 3 with tricks. */
export function predict(ring, technique) {
  const traps = {}, reasons = {}, leaks = {};
  const add = (table, key, n = 1) => { table[key] = (table[key] ?? 0) + n; };
  const trap = (instruction, reason) => { add(traps, instruction); add(reasons, reason); };
  for (const cell of cells(ABSENT).filter((each) => each.ring === ring)) {
    const { test, state } = cell;
    trap("MOV", "#GP");
    trap("MOV", "#GP");
    trap("IRET", ring === 0 ? "#GP" : "#NP");
    if (test.name.startsWith("IRET") && ring === 0) add(leaks, "MOV");       // its frame takes CS from MOV r,CS
    const happens = underTrap(test, state, technique);
    if (happens.trap) trap(instructionOf(test.name), happens.trap);
    if (happens.leak) add(leaks, instructionOf(test.name));
    if (!happens.trap || test.outcome(state).startsWith("ran")) trap("UD2", "#UD");
  }
  trap("OUT", "#GP");
  return { traps: { byInstruction: traps, byReason: reasons }, leaks: { byInstruction: leaks } };
}

function expectation() {
  const technique = (real, tricks, umip = false) => ({
    ...(tricks ? { end: "technique-refused" } : {}),
    phases: tricks ? { 1: predict(0, { real, tricks, umip }), 2: predict(3, { real, tricks, umip }) } : { 1: predict(0, { real, tricks, umip }) },
    why: tricks
      ? ["Phase 3: the guest enters ring 1, which a de-privileged kernel occupies or cannot offer."]
      : ["Phase 2 is not predicted without tricks: each IRET to ring 3 loses IF and IOPL, and at real ring 3 the stack too; how the guest ends follows from that."],
  });
  return {
    end: "exit-success",
    serial: serial(ABSENT),
    phases: { 1: "CPL 0", 2: "CPL 3", 3: "CPL 1", 4: "CPL 2", 5: "V86" },
    techniques: {
      emulate: { end: "exit-success" },
      "trap/1": technique(1, false),
      "trap/3": technique(3, false),
      "trap/1 tricks=on": technique(1, true),
      "trap/3 tricks=on": technique(3, true),
      "trap/1 umip=on tricks=on": technique(1, true, true),
      "trap/3 umip=on tricks=on": technique(3, true, true),
    },
    qemu: {
      args: ["-cpu", "max,-umip"],
      why: "QEMU 7.2 has neither VME nor PVI, takes F1 (INT1) for an invalid opcode, and stores no FCS with FXSAVE",
      replace: [
        ["^.*(VME|PVI)(\\+VIP)? .*\r\n", ""],
        ["left out: UMIP", "left out: VME PVI UMIP"],
        [`cells: ${cells(ABSENT).length}`, `cells: ${cells([...ABSENT, "vme"]).length}`],
        ["^(INT1 .*)#DB", "$1#UD"],
        ["(?<=^FXSAVE .*ran )[0-9A-F]{8}", "00000000"],
      ],
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = fileURLToPath(new URL("priv.expected.json", import.meta.url));
  const text = `${JSON.stringify(expectation(), null, 2)}\n`;
  const at = process.argv.indexOf("--without");
  if (process.argv.includes("--write")) writeFileSync(file, text);
  else if (!process.argv.includes("--check")) process.stdout.write(serial(at < 0 ? [] : process.argv[at + 1].split(",")));
  else if (readFileSync(file, "utf8") !== text) {
    console.error("priv.expected.json is not what priv-model.mjs says. Run: node guests/priv-model.mjs --write");
    process.exit(1);
  }
}
