// What --help prints.

import { PROCESSOR_SWITCHES, TECHNIQUE_SETTINGS, type TechniqueSetting } from "../protocol/technique.ts";
import type { OptionSpecs } from "./arguments.ts";
import { RUN_OPTIONS, SETTING_HELP, SWITCH_HELP } from "./run-options.ts";
import { TRACE_FIELDS } from "./trace-lines.ts";

export const USAGE = `trapscope runs an x86 guest and shows what traps.

  trapscope run [IMAGE] [options]     boot a disk image, a kernel or a bundled guest
  trapscope info IMAGE [--json]       what a file is, how it would boot, or why not
  trapscope diff IMAGE --b NAME       the same guest under two techniques: the first difference
  trapscope disasm FILE [options]     instructions in a file
  trapscope replay RUN.trk [IMAGE...] a recorded run once more: does it come to the same?
  trapscope lab [L1]                  the labs: list them, or run one and check it
  trapscope COMMAND --help            options of a command
  trapscope --version
`;

export function runHelp(): string {
  const switches = PROCESSOR_SWITCHES.map((name) => `  ${`${name}=off`.padEnd(COLUMN)}${SWITCH_HELP[name]}`).join("\n");
  const settings = (Object.keys(TECHNIQUE_SETTINGS) as TechniqueSetting[])
    .map((name) => `  ${`${name}=${TECHNIQUE_SETTINGS[name].join("|") || "N"}`.padEnd(COLUMN)}${SETTING_HELP[name]}`)
    .join("\n");
  return `trapscope run [IMAGE] [options]

IMAGE is a file, whose content says how it boots, or the name of a bundled guest.

${optionLines(RUN_OPTIONS)}

Switches of --set, with their defaults. They change the processor that the monitor runs on, not what the guest is told:
${switches}

Settings of single techniques, the default first:
${settings}

Script lines: expect "text", send "bytes to COM1", keys "typed<Enter>", wait SECONDS, technique NAME, # comment;
escapes in texts: \\n \\r \\t \\xNN \\" \\\\

Trace lines: instructions before, segment:offset, linear address, mode and ring, bytes, text; with --trace-registers the registers
before it. An instruction that faults is printed, and once more when it is tried again. --trace-filter knows the fields
${Object.keys(TRACE_FIELDS).join(", ")}.

Exit codes: 0 expected, power-off, exit-success, quit; 1 usage; 2 triple-fault, exit-failure, halted, ended-early;
3 timeout, instruction-limit; 4 image-refused; 6 technique-refused; 7 defect
`;
}

const COLUMN = 24;

export function optionLines(specs: OptionSpecs): string {
  return Object.entries(specs)
    .map(([name, { value, optional, help }]) => {
      const left = `--${name}${value === undefined ? "" : optional ? `[=${value}]` : ` ${value}`}`;
      return `  ${left.length < COLUMN ? left.padEnd(COLUMN) : `${left}\n  ${" ".repeat(COLUMN)}`}${help}`;
    })
    .join("\n");
}
