// Small guests: 16-bit code for 0000:7C00, with DS = SS = 0 and SP = 7C00h.

/** jmp 0:7C05 / xor ax,ax / mov ds,ax / mov ss,ax / mov sp,7C00h / cld */
const ENTRY = "ea057c0000 31c0 8ed8 8ed0 bc007c fc";

function bytesOf(hex: string): number[] {
  return (hex.replace(/\s/g, "").match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
}

/** Code and then text; `signature` false leaves out 55 AA. */
export function bootSector(code: string, text = "", signature = true): Uint8Array {
  const sector = new Uint8Array(512);
  sector.set([...bytesOf(ENTRY), ...bytesOf(code), ...new TextEncoder().encode(text)]);
  if (signature) sector.set([0x55, 0xaa], 510);
  return sector;
}

/** mov al,value / out 0F4h,al */
const exitWith = (value: number): string => `b0${value.toString(16).padStart(2, "0")} e6f4`;

/** Where the text of a guest with `bytes` bytes of code stands, as a little-endian word. */
const textAt = (bytes: number): string => {
  const address = 0x7c00 + bytesOf(ENTRY).length + bytes;
  return `${(address & 0xff).toString(16).padStart(2, "0")}${(address >> 8).toString(16)}`;
};

export const exitGuest = (value: number): Uint8Array => bootSector(exitWith(value));

/** next: lodsb / test al,al / jz done / out 0E9h,al / jmp next / done: exit 0 */
export const debugGuest = (text: string): Uint8Array => bootSector(`be${textAt(16)} ac 84c0 7404 e6e9 ebf7 ${exitWith(0)}`, `${text}\0`);

/** The same on a serial port, waiting for LSR.THRE before each byte. */
export const serialGuest = (port: "f803" | "f802", text: string): Uint8Array =>
  bootSector(`be${textAt(33)} ba${port} ac 84c0 7412 88c4 83c205 ec 83ea05 a820 74f5 88e0 ee ebe9 ${exitWith(0)}`, `${text}\0`);

/** next: lodsb / test al,al / jz done / mov ah,0Eh / xor bx,bx / int 10h / jmp next / done: sti / hlt / jmp done */
export const screenGuest = (text: string): Uint8Array => bootSector(`be${textAt(20)} ac 84c0 7408 b40e 31db cd10 ebf3 fb f4 ebfc`, `${text}\0`);

/** BLINK in row 10 for 52 ms of guest time (mov ecx,2600000 / dec ecx / jnz), then its middle letter is gone. */
export const blinkGuest = (): Uint8Array =>
  bootSector(
    "b800b8 8ec0 26c70640064207 26c70642064c07 26c70644064907 26c70646064e07 26c70648064b07 66b940ac2700 6649 75fc 26c70644062007 f4 ebfd",
  );

/** cli / hlt */
export const haltGuest = (): Uint8Array => bootSector("fa f4");

/** all interrupts masked (mov al,0FFh / out 21h,al / out 0A1h,al), sti / hlt */
export const maskedGuest = (): Uint8Array => bootSector("b0ff e621 e6a1 fb f4");

/** jmp $ */
export const loopGuest = (): Uint8Array => bootSector("ebfe");

/** The handler of #UD is an invalid opcode, on a stack that wraps: no instruction ever completes. mov ss,3000h / [0:18h] = where ud2 is / ud2 */
export const livelockGuest = (): Uint8Array => bootSector("fa b80030 8ed0 31c0 8ed8 c7061800167c c7061a000000 0f0b");

/** lidt with limit 0 / int3 */
export const tripleFaultGuest = (): Uint8Array => bootSector("0f011e157c cc 0000 00000000");

/** APM: connect, say version 1.2, set power state of all devices to off. */
export const powerOffGuest = (): Uint8Array =>
  bootSector("b80153 31db cd15 b80e53 31db b90201 cd15 b80753 bb0100 b90300 cd15 fa f4");

/** Sends back what comes in on COM1; ends after ".", when the transmitter is empty. */
export const echoGuest = (): Uint8Array =>
  bootSector("bafd03 ec a801 74fb baf803 ec ee bafd03 3c2e 75ef ec a840 74fb b000 e6f4");

/** Says "R", resets through the 8042 once (a word at 600h remembers), ends. */
export const rebootGuest = (): Uint8Array =>
  bootSector("b052 e6e9 813e0006aa55 740d c7060006aa55 b0fe e664 f4 ebfd b000 e6f4");

/** INT 16h to port E9h until "." is typed. */
export const keyGuest = (): Uint8Array => bootSector("31c0 cd16 e6e9 3c2e 75f6 b000 e6f4");

/** `count` times CLI, STI in a loop, exit 0. */
export const cliStiGuest = (count: number): Uint8Array => bootSector(`b9${count.toString(16).padStart(2, "0")}00 fa fb e2fc ${exitWith(0)}`);

/**
 * Counts in the second sector of its disk: mov [600h],dl / reads it to 8000h (int 13h) / inc byte [8000h] / writes it back / sends '0' + count
 * to port E9h / resets the drive / exit 0.
 */
export const countingGuest = (): Uint8Array =>
  bootSector(`88160006 31c0 8ec0 bb0080 b90200 b600 b80102 cd13 fe060080 8a160006 b600 b90200 bb0080 b80103 cd13 a00080 0430 e6e9 ${exitWith(0)}`);
