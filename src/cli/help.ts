// What `run` says of itself.

import { PROCESSOR_SWITCHES, TECHNIQUE_SETTINGS, type TechniqueSetting } from "../protocol/technique.ts";
import { type CommandSpec, helpLine } from "./command.ts";
import { RUN_OPTIONS, SETTING_HELP, SWITCH_HELP } from "./run-options.ts";
import { TRACE_FIELDS } from "./trace-lines.ts";

const switches = PROCESSOR_SWITCHES.map((name) => helpLine(`${name}=off`, SWITCH_HELP[name])).join("\n");
const settings = (Object.keys(TECHNIQUE_SETTINGS) as TechniqueSetting[])
  .map((name) => helpLine(`${name}=${TECHNIQUE_SETTINGS[name].join("|") || "N"}`, SETTING_HELP[name]))
  .join("\n");

export const RUN: CommandSpec = {
  name: "run", operands: "[IMAGE] [options]", takes: "image",
  summary: "boot a disk image, a kernel or a bundled guest",
  about: `IMAGE is a file, whose content says how it boots, or the name of a bundled guest. COM1 is this terminal: what is typed goes to the guest,
Ctrl+A x ends the run.`,
  options: RUN_OPTIONS,
  examples: [
    ["A bundled guest, with nothing between it and the processor", "run popf"],
    ["The same guest under a monitor of before 2005: what traps, and what does not?", "run popf --technique trap --trap-log popf.jsonl"],
    ["A disk image, until it asks for a name", 'run disk.img --expect "login:" --timeout 120'],
    ["A Linux kernel, without a disk", 'run --kernel vmlinuz --initrd initrd.gz --append "console=ttyS0"'],
    ["Keep what the guest writes, beside the image", "run --hda disk.img --overlay disk.overlay"],
    ["For a program: one line of JSON, and nothing else on stdout", "run irqsave --technique trap --ring 3 --set umip=on --json"],
    ["Every instruction that the boot sector runs", "run disk.img --trace --trace-range 7c00-7dff --max-instructions 1e6"],
    ["A debugger from the first instruction on", "run disk.img --gdb :1234"],
    ["Write down what comes from outside, for replay", "run disk.img --clock real --record boot.trk"],
  ],
  notes: `Switches of --set, with their defaults. They change the processor that the monitor runs on, not what the guest is told:
${switches}

Settings of single techniques, the default first:
${settings}

Script lines: expect "text", send "bytes to COM1", keys "typed<Enter>", wait SECONDS, technique NAME, # comment;
escapes in texts: \\n \\r \\t \\xNN \\" \\\\

Trace lines: instructions before, segment:offset, linear address, mode and ring, bytes, text; with --trace-registers the registers
before it. An instruction that faults is printed, and once more when it is tried again. --trace-filter knows the fields
${Object.keys(TRACE_FIELDS).join(", ")}.`,
  outcomes: [
    "expected", "power-off", "exit-success", "quit", "triple-fault", "exit-failure", "halted", "ended-early", "timeout", "instruction-limit", "image-refused",
    "technique-refused",
  ],
};
