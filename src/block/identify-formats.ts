// Files that hold a disk, or something else altogether, in a form that this machine does not read:
// each is named, with the command that makes it readable.

import type { Finding, ImageProbe } from "./image-identity.ts";

interface ForeignFormat {
  readonly name: string;
  readonly evidence: string;
  matches(probe: ImageProbe): boolean;
  whatToDo(file: string): string;
}

const convert = (format: string) => (file: string): string => `Convert it: qemu-img convert -f ${format} -O raw ${file} disk.img`;
const unpack = (command: string) => (file: string): string => `Unpack it first: ${command} ${file}`;
const startsWith =
  (...magic: number[]) =>
  (probe: ImageProbe): boolean =>
    magic.every((byte, i) => probe.u8(i) === byte) && probe.size >= magic.length;

const FORMATS: readonly ForeignFormat[] = [
  { name: "a Hyper-V disk image (VHDX)", evidence: "`vhdxfile` at byte 0", matches: (p) => p.has(0, "vhdxfile"), whatToDo: convert("vhdx") },
  { name: "a ZIP archive", evidence: "`PK\\3\\4` at byte 0", matches: startsWith(0x50, 0x4b, 3, 4), whatToDo: unpack("unzip") },
  { name: "a 7-Zip archive", evidence: "`7z` at byte 0", matches: startsWith(0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c), whatToDo: unpack("7z x") },
  { name: "a bzip2-compressed file", evidence: "`BZh` at byte 0", matches: (p) => p.has(0, "BZh"), whatToDo: unpack("bunzip2") },
  {
    name: "a tar archive",
    evidence: "`ustar` at byte 257",
    matches: (p) => p.has(257, "ustar"),
    whatToDo: unpack("tar xf"),
  },
  { name: "a PDF document", evidence: "`%PDF` at byte 0", matches: (p) => p.has(0, "%PDF"), whatToDo: () => "Choose a disk image." },
  { name: "a PNG picture", evidence: "`PNG` at byte 1", matches: startsWith(0x89, 0x50, 0x4e, 0x47), whatToDo: () => "Choose a disk image." },
];

/** Compressed streams that may also be an initial RAM disk, which the kernel unpacks by itself. */
const STREAMS: readonly (ForeignFormat & { readonly compression: string })[] = [
  { name: "a gzip-compressed file", compression: "gzip", evidence: "1F8Bh at byte 0", matches: startsWith(0x1f, 0x8b), whatToDo: unpack("gunzip") },
  { name: "an xz-compressed file", compression: "xz", evidence: "FD377A585Ah at byte 0", matches: startsWith(0xfd, 0x37, 0x7a, 0x58, 0x5a), whatToDo: unpack("unxz") },
  { name: "a Zstandard-compressed file", compression: "zstd", evidence: "28B52FFDh at byte 0", matches: startsWith(0x28, 0xb5, 0x2f, 0xfd), whatToDo: unpack("unzstd") },
  { name: "an LZ4-compressed file", compression: "lz4", evidence: "LZ4 magic at byte 0", matches: (p) => p.u32(0) === 0x184d2204 || p.u32(0) === 0x184c2102, whatToDo: unpack("unlz4") },
];

export function findForeignFormat(probe: ImageProbe): Finding | null {
  const format = FORMATS.find((candidate) => candidate.matches(probe));
  if (!format) return null;
  return {
    kind: "unknown",
    description: format.name,
    detectedBy: format.evidence,
    suggestedDrive: "hda",
    refusal: { reason: `This is ${format.name}, which is not supported yet.`, whatToDo: format.whatToDo(probe.name), force: false },
  };
}

/** `holdsCpio` says whether an unpacked gzip stream begins like a cpio archive. */
export function findCompressedStream(probe: ImageProbe, holdsCpio: (probe: ImageProbe) => boolean): Finding | null {
  const stream = STREAMS.find((candidate) => candidate.matches(probe));
  if (!stream) return null;
  const archive = stream.compression === "gzip" && holdsCpio(probe);
  if (archive || /initr/i.test(probe.name)) {
    return initrdFinding(`${stream.evidence}, ${archive ? "a cpio archive inside" : `the name ${probe.name}`}`, stream.compression);
  }
  return {
    kind: "unknown",
    description: stream.name,
    detectedBy: stream.evidence,
    suggestedDrive: "hda",
    refusal: {
      reason: `This is ${stream.name}, which is not supported yet.`,
      whatToDo: `${stream.whatToDo(probe.name)} (an initial RAM disk is given as it is, with its kernel)`,
      force: false,
    },
    details: { compression: stream.compression },
  };
}

/** cpio archives: "newc", with checksum, and the old ASCII form. */
export function findCpio(probe: ImageProbe): Finding | null {
  return ["070701", "070702", "070707"].some((magic) => probe.has(0, magic)) ? initrdFinding("cpio magic at byte 0", "none") : null;
}

function initrdFinding(detectedBy: string, compression: string): Finding {
  return {
    kind: "initrd",
    description: compression === "none" ? "initial RAM disk (cpio)" : `initial RAM disk (${compression})`,
    detectedBy,
    suggestedDrive: "initrd",
    refusal: {
      reason: "This is an initial RAM disk: it boots only together with its kernel.",
      whatToDo: "Give the kernel too: --kernel FILE --initrd FILE, or drop both.",
      force: false,
    },
    details: { compression },
  };
}
