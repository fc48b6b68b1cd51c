// What a record says of the instruction that left: its operands, by the table in protocol/trap-record.ts.
import { expect, it } from "vitest";
import { dword, flatGuest } from "../../test/support/flat-guest.ts";
import { ACTIONS, emptyRawTrap, KIND_EXIT, TrapReader } from "../protocol/trap-record.ts";

const GDT_IMAGE = 0x3000;
/** mov eax, cr0; mov ecx, cr2; mov eax, 55h; mov cr2, eax; mov dr3, eax; clts; in al, 80h; out 81h, ax; lgdt [GDT_IMAGE]; cli; hlt */
const PROGRAM = [
  0x0f, 0x20, 0xc0, 0x0f, 0x20, 0xd1, 0xb8, ...dword(0x55), 0x0f, 0x22, 0xd0, 0x0f, 0x23, 0xd8, 0x0f, 0x06, 0xe4, 0x80, 0x66, 0xe7, 0x81, 0x0f, 0x01, 0x15, ...dword(GDT_IMAGE), 0xfa, 0xf4,
];
const CR0 = 0x11;

it.each([["trap", 1], ["trap", 3], ["scan", 1]] as const)("under %s in ring %i names registers, ports, widths, limits and values", (technique, ring) => {
  const machine = flatGuest(PROGRAM, technique, ring);
  machine.physical.writeBytes(GDT_IMAGE, Uint8Array.from([0x17, 0, ...dword(0x2000)]));
  expect(machine.run(1000)).toBe("halted");
  machine.supervisor.publish();
  const { buffer, view } = machine.map, reader = new TrapReader(buffer, view.trapRing, view.trapSites), raw = emptyRawTrap();
  const operands: [action: number, a: number, b: number][] = [];
  for (let sequence = 0; reader.read(sequence, raw); sequence++) {
    if (raw.kind === KIND_EXIT && raw.action >= ACTIONS["port-in"] && raw.action <= ACTIONS.table) operands.push([raw.action, raw.a, raw.b]);
  }
  expect(operands).toEqual([
    [ACTIONS.control, 0, CR0], [ACTIONS.control, 2, 0], [ACTIONS.control, 2, 0x55], [ACTIONS.control, 16 + 3, 0x55], [ACTIONS.control, 0, CR0],
    [ACTIONS["port-in"], 0x80 | (1 << 16), expect.any(Number)], [ACTIONS["port-out"], 0x81 | (2 << 16), expect.any(Number)], [ACTIONS.table, 0x17, 0x2000],
  ]);
});
