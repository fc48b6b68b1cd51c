// From a file that has been identified to the medium in a drive.

import type { ByteSource } from "../hardware/device.ts";
import type { ImageIdentity } from "./image-identity.ts";
import { Overlay } from "./overlay.ts";
import { RawDisk } from "./raw.ts";

/** The image under an overlay that takes the guest's writes; sectors that the file lacks are zeros. */
export function openDisk(source: ByteSource, { details }: ImageIdentity): Overlay {
  const { sectorSize, sectorCount } = details;
  return new Overlay(new RawDisk(source, { ...(sectorSize ? { sectorSize } : {}), ...(sectorCount ? { sectorCount } : {}) }));
}
