// A run with its media: what was put into drives later, what the guest wrote to it, and the way from the file.

import { describe, expect, it } from "vitest";
import { ImageError } from "../base/errors.ts";
import type { BlockDevice } from "../hardware/device.ts";
import { assemble } from "../isa/assembler.ts";
import { configureBoot, type NamedSource, openMedium } from "./boot/boot-request.ts";
import { Machine } from "./machine.ts";
import { recordedMachine } from "./recorded-machine.ts";
import { decodeRecording, encodeRecording, endDifferences, endOf, LATER_MEDIUM, type Recording, recordedFile, recordedInputs } from "./recording.ts";
import { History } from "./replay.ts";

/** Reads the second sector of floppy A over and over. When its first byte is another one, it counts that up, writes it back, and says on COM1 what it was. */
function floppy(letter: string): NamedSource {
  const { bytes } = assemble(`org 0x7c00
again: mov ax, 0x0201
mov bx, 0x8000
mov cx, 2
xor dx, dx
int 0x13
jc again
mov al, [0x8000]
cmp al, [0x600]
je again
mov [0x602], al
inc al
mov [0x600], al
mov [0x8000], al
write: mov ax, 0x0301
mov cx, 2
xor dx, dx
int 0x13
jc write
mov al, [0x602]
mov dx, 0x3f8
out dx, al
jmp again
times 510-($-$$) db 0
dw 0xaa55`);
  const image = new Uint8Array(1_474_560);
  image.set(bytes);
  image[512] = letter.charCodeAt(0);
  return { name: `${letter}.img`, source: { size: image.length, read: (offset, into) => into.set(image.subarray(offset, offset + into.length)) } };
}

const RECORDED = { memoryBytes: 2 << 20, cpu: "pentium", technique: "emulate", ring: 1, set: {}, clock: "virtual", epochMs: 0 } as const;

function recorded(): { readonly recording: Recording; readonly files: readonly NamedSource[]; readonly said: string } {
  const files = [floppy("A"), floppy("Q")], [first, second] = files as [NamedSource, NamedSource];
  const machine = new Machine({ ...RECORDED, ...configureBoot({ memoryBytes: RECORDED.memoryBytes, drives: { fda: first } }).machine });
  let said = "";
  machine.events.serial = (_, byte) => void (said += String.fromCharCode(byte));
  const history = new History(machine), inTheBeginning = machine.pc.mediumIn("fda")!, later = machine.pc.mediumFor("fda", openMedium(second));
  const until = (text: string): void => {
    for (let slice = 0; slice < 400 && said !== text; slice++) history.run(100_000);
    expect(said).toBe(text);
  };
  until("A");
  const put = (medium: BlockDevice | null): void => history.input({ kind: "medium", drive: "fda", medium });
  for (const [medium, text] of [[later, "AQ"], [inTheBeginning, "AQB"], [later, "AQBR"]] as const) {
    put(null);
    put(medium);
    until(text);
  }
  const places = new Map([[inTheBeginning, 0], [later, 1]]);
  return { recording: { machine: RECORDED, files: [recordedFile("fda", first), recordedFile(LATER_MEDIUM, second)], inputs: recordedInputs(history.inputs!, (medium) => places.get(medium)!), end: endOf(machine) }, files, said };
}

describe("a recording of a run in which media were changed", () => {
  const { recording, files, said } = recorded();
  const bytes = encodeRecording(recording);

  it("names each medium, and another machine comes to the same with them", () => {
    const read = decodeRecording(bytes);
    expect(read.files.map(({ role, name }) => [role, name])).toEqual([["fda", "A.img"], ["medium", "Q.img"]]);
    const { machine, inputs } = recordedMachine(read, files);
    let again = "";
    machine.events.serial = (_, byte) => void (again += String.fromCharCode(byte));
    History.replayed(machine, inputs, read.end.retired);
    expect([again, endDifferences(read.end, endOf(machine))]).toEqual([said, []]);
  });

  it("comes to something else with another medium", () => {
    const { machine, inputs } = recordedMachine(decodeRecording(bytes), [files[0]!, floppy("X")]);
    History.replayed(machine, inputs, recording.end.retired);
    expect(endDifferences(recording.end, endOf(machine))).not.toEqual([]);
  });

  it("is refused where an input names a file that is none of its own", () => {
    expect(() => decodeRecording(new TextEncoder().encode(new TextDecoder().decode(bytes).replaceAll('"file":1', '"file":2')))).toThrow(ImageError);
  });

  it("is refused by its version where that is a later one; the first is read", () => {
    const text = new TextDecoder().decode(bytes);
    expect(decodeRecording(new TextEncoder().encode(text.replace('"version":2', '"version":1'))).end).toEqual(recording.end);
    expect(() => decodeRecording(new TextEncoder().encode(text.replace('"version":2', '"version":3')))).toThrow(/version 3/);
  });
});
