// A hard disk whose guest keeps a journal of itself: it says what it found, waits for a key, and then counts in sector 1 and in sectors 16 to 23, flushes the drive's cache after
// each step, and only then sends the count to COM1. So what the console showed as flushed must be there after any death.

const CODE = `
ea057c0000 31c0 8ed8 8ec0 8ed0 bc007c fc
88160006                       mov [600h],dl
bb0080 b90200 b80102 e88d00    read sector 1 to 8000h
bb0090 b91100 b80802 e88100    read sectors 16 to 23 to 9000h
b042 e8b100                    send "B"
66a10080 e88700                send the count of sector 1
be0090 b90800 668b04 e87b00 81c60002 e2f4 e89300   and of the eight, and a new line
bafd03 ec a801 74fb baf803 ec  wait for a byte from COM1
66ff060080 66a10080            again: one more
be0090 b90800 668904 81c60002 e2f7
bb0090 b91100 b80803 e83000    write sectors 16 to 23
bb0080 b90200 b80103 e82400    write sector 1
baf601 b0e0 ee 42 b0e7 ee      FLUSH CACHE
ec a880 75fb a801 751c         wait while BSY; on ERR fail
b046 e84100 66a10080 e81700 e83500 ebac   send "F", the count, a new line; again
b600 8a160006 cd13 7201 c3     disk: int 13h on the boot drive; on CY fail
b058 e82500 fa f4              fail: send "X", stop
51 6650 b020 e81b00 6658 b90800 66c1c004 50 240f 3c0a 1c69 2f e80700 58 e2ee 59 c3   hex: send EAX
b00a                           new line: send 0Ah
52 50 bafd03 ec a820 74fb 58 baf803 ee 5a c3   send AL when LSR.THRE`;

function assembled(): number[] {
  const hex = CODE.split("\n").map((line) => line.replace(/ {2,}.*$/, "")).join("").replace(/\s/g, "");
  return (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
}

/** 4 MB, one partition; `seed` makes it another image. */
export function journalDisk(seed = 0): Uint8Array {
  const disk = new Uint8Array(4 << 20);
  disk.set(assembled());
  disk.set([0x80, 0, 2, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 0xff, 0x1f, 0, 0, ...new Array<number>(48).fill(0), 0x55, 0xaa], 446);
  disk[3 << 20] = seed;
  return disk;
}

/** What the guest sends before it waits. */
export const FIRST_LINE = /B( [0-9A-F]{8}){9}\s/;

export interface Journal {
  /** As the disk was when the guest began: the count of sector 1, and of the eight. */
  readonly began: number;
  readonly eight: readonly number[];
  /** The last step that was flushed. */
  readonly flushed: number;
}

/** What a console with this text says; null while the first line is not there yet. */
export function readJournal(text: string): Journal | null {
  const start = /B ([0-9A-F]{8})((?: [0-9A-F]{8}){8})\s/.exec(text);
  if (!start) return null;
  if (text.includes("X")) throw new Error(`the guest could not use its disk:\n${text}`);
  const flushes = [...text.matchAll(/F ([0-9A-F]{8})/g)].map((match) => Number.parseInt(match[1], 16));
  const began = Number.parseInt(start[1], 16);
  return { began, eight: start[2].trim().split(" ").map((word) => Number.parseInt(word, 16)), flushed: flushes.at(-1) ?? began };
}
