// What a file is, in the words that the page shows.

import type { ImageIdentity } from "../../block/image-identity.ts";
import type { ImageInfo, MediaTarget } from "../../protocol/image-info.ts";
import { type NamedSource, openNamed } from "./boot-request.ts";

export function describeImage(file: NamedSource): ImageInfo {
  return imageInfo(openNamed(file).identity);
}

function imageInfo(identity: ImageIdentity): ImageInfo {
  // An initial RAM disk boots nothing by itself, which is no fault of the file: the page asks for its kernel.
  const refusal = identity.kind === "initrd" ? undefined : identity.refusal;
  return {
    title: identity.description,
    evidence: identity.detectedBy,
    size: identity.details.sizeBytes,
    targets: targetsOf(identity),
    problem: refusal ? { reason: refusal.reason, whatToDo: refusal.whatToDo, canForce: refusal.force } : null,
  };
}

/** A refused file that cannot be forced goes nowhere; a disk may go to either drive of its kind. */
function targetsOf(identity: ImageIdentity): readonly MediaTarget[] {
  if (identity.kind === "initrd") return ["initrd"];
  if (identity.refusal && !identity.refusal.force && identity.details.sectorCount === undefined) return [];
  switch (identity.suggestedDrive) {
    case "fda": return ["fda", "fdb"];
    case "hda": return ["hda", "hdb"];
    default: return [identity.suggestedDrive];
  }
}
