// What a CD-ROM drive answers about itself and its disc: the data of the packet commands.
// MMC-3 (T10/1363-D) and SPC-2 (T10/1236-D); SFF-8020i 2.6 for what older drivers read.
//
// Not implemented: audio tracks, sessions after the first, sub-channels.

/** Minute, second, frame: 75 frames a second, and address 0 is two seconds into the disc. */
function minuteSecondFrame(lba: number): [number, number, number] {
  const frames = lba + 150;
  return [Math.floor(frames / (75 * 60)), Math.floor(frames / 75) % 60, frames % 75];
}

const PROFILE_CD_ROM = 0x0008;
const PROFILE_DVD_ROM = 0x0010;

/** More sectors than the longest CD has make a DVD. */
const LARGEST_CD_SECTORS = 450_000;

export function profileOf(sectorCount: number): number {
  if (sectorCount === 0) return 0;
  return sectorCount > LARGEST_CD_SECTORS ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

function ascii(text: string, length: number): number[] {
  return Array.from({ length }, (_, i) => (i < text.length ? text.charCodeAt(i) : 0x20));
}

const be16 = (value: number): number[] => [(value >> 8) & 0xff, value & 0xff];
const be32 = (value: number): number[] => [(value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];

export function inquiryData(): number[] {
  // CD-ROM device, removable, ATAPI response format.
  return [0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0, ...ascii("TRAPSCPE", 8), ...ascii("VIRTUAL CD-ROM", 16), ...ascii("1.0", 4)];
}

export function senseData(key: number, code: number, qualifier: number): number[] {
  return [0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, qualifier, 0, 0, 0, 0];
}

/** READ TOC/PMA/ATIP, formats 0 (tracks) and 1 (sessions). null: not a format or track that there is. */
export function tocData(format: number, msf: boolean, startTrack: number, sectorCount: number): number[] | null {
  const address = (lba: number): number[] => (msf ? [0, ...minuteSecondFrame(lba)] : be32(lba));
  const track = (number: number, lba: number): number[] => [0, 0x14, number, 0, ...address(lba)]; // data track
  if (format === 1) return [...be16(10), 1, 1, ...track(1, 0)];
  if (format !== 0 || (startTrack > 1 && startTrack !== 0xaa)) return null;
  const entries = [...(startTrack <= 1 ? track(1, 0) : []), ...track(0xaa, sectorCount)];
  return [...be16(2 + entries.length), 1, 1, ...entries];
}

/** GET CONFIGURATION: the features from `first` on, or that one alone. */
export function configurationData(first: number, onlyThat: boolean, profile: number): number[] {
  const profileEntry = (number: number): number[] => [...be16(number), number === profile ? 1 : 0, 0];
  const features: readonly { readonly code: number; readonly data: number[] }[] = [
    { code: 0x0000, data: [0x03, 8, ...profileEntry(PROFILE_DVD_ROM), ...profileEntry(PROFILE_CD_ROM)] },
    { code: 0x0001, data: [0x07, 4, 0, 0, 0, 2] }, // core: ATAPI
    { code: 0x0003, data: [0x03, 4, 0x29, 0, 0, 0] }, // removable medium: tray, eject, lock
    { code: 0x0010, data: [profile ? 0x01 : 0x00, 8, ...be32(2048), ...be16(16), 0, 0] }, // random readable
    { code: 0x001e, data: [profile === PROFILE_CD_ROM ? 0x05 : 0x04, 4, 0, 0, 0, 0] }, // CD read
  ];
  const chosen = features.filter((feature) => (onlyThat ? feature.code === first : feature.code >= first));
  const body = chosen.flatMap((feature) => [...be16(feature.code), ...feature.data]);
  return [...be32(4 + body.length), 0, 0, ...be16(profile), ...body];
}

/** GET EVENT STATUS NOTIFICATION: the media class is the only one. */
export function eventData(classes: number, event: number, trayOpen: boolean, present: boolean): number[] {
  const MEDIA = 0x10;
  if ((classes & MEDIA) === 0) return [...be16(2), 0x80, MEDIA];
  return [...be16(6), 0x04, MEDIA, event, (trayOpen ? 1 : 0) | (present ? 2 : 0), 0, 0];
}

/** MODE SENSE(10) pages; null for a page that does not exist. */
export function modeData(page: number, locked: boolean, mediumType: number): number[] | null {
  const errorRecovery = [0x01, 6, 0, 5, 0, 0, 0, 0];
  const audioControl = [0x0e, 14, 4, 0, 0, 0, 0, 75, 1, 255, 2, 255, 0, 0, 0, 0];
  const speed = be16(706); // 4x in KB/s
  const capabilities = [0x2a, 18, 0x3b, 0, 0x70, 0x60, 0x29 | (locked ? 0x02 : 0), 0, ...speed, 0, 2, ...be16(512), ...speed, 0, 0, 0, 0];
  const pages: Readonly<Record<number, number[]>> = { 1: errorRecovery, 14: audioControl, 42: capabilities };
  const body = page === 0x3f ? [...errorRecovery, ...audioControl, ...capabilities] : pages[page];
  if (!body) return null;
  return [...be16(6 + body.length), mediumType, 0, 0, 0, 0, 0, ...body];
}

export function capacityData(sectorCount: number): number[] {
  return [...be32(sectorCount - 1), ...be32(2048)];
}

/** READ DISC INFORMATION: one finished session of one track. */
export function discInformation(): number[] {
  return [...be16(32), 0x0e, 1, 1, 1, 1, 0x20, 0, ...Array<number>(25).fill(0)];
}

/** MECHANISM STATUS: no changer, nothing moves. */
export function mechanismStatus(): number[] {
  return [0, 0, 0, 0, 0, 1, 0, 0];
}
