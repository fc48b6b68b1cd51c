// A file as the disk that it holds: what it is, by content first and name last, and the bytes of the disk without its container.

import { ImageError } from "../base/errors.ts";
import type { ByteSource } from "../hardware/device.ts";
import type { Container } from "./container.ts";
import { identifyImage } from "./identify.ts";
import { type ImageIdentity, sizeText } from "./image-identity.ts";
import { openQcow2 } from "./qcow2.ts";
import { openVdi } from "./vdi.ts";
import { openVhd } from "./vhd.ts";
import { openVmdk, type Sibling } from "./vmdk.ts";

export type { Sibling } from "./vmdk.ts";

export interface OpenedImage {
  readonly identity: ImageIdentity;
  /** The disk inside; the file itself where it is no container. */
  readonly source: ByteSource;
}

interface ContainerFormat {
  readonly title: string;
  /** null: the file is not of this format. */
  open(file: ByteSource, sibling?: Sibling): Container | null;
}

const FORMATS: readonly ContainerFormat[] = [
  { title: "qcow2 disk image", open: openQcow2 },
  { title: "VMware disk image (VMDK)", open: openVmdk },
  { title: "VirtualBox disk image (VDI)", open: openVdi },
  { title: "Virtual PC disk image (VHD)", open: openVhd },
];

/** Never throws for what the file holds: that it cannot be used is part of the identity. `sibling` gives other files of its folder. */
export function openImage(file: ByteSource, name = "FILE", sibling?: Sibling): OpenedImage {
  for (const { title, open } of FORMATS) {
    try {
      const container = open(file, sibling);
      if (container) return { identity: contained(identifyImage(container.disk, name), container, file.size), source: container.disk };
    } catch (error) {
      if (error instanceof ImageError) return { identity: unusable(file, title, error.message.replaceAll("FILE", name)), source: file };
      throw error;
    }
  }
  return { identity: identifyImage(file, name), source: file };
}

function contained(inner: ImageIdentity, { format, evidence, disk }: Container, sizeBytes: number): ImageIdentity {
  return {
    ...inner,
    description: `${format}, ${sizeText(disk.size)}: ${inner.description}`,
    detectedBy: `${evidence}; inside: ${inner.detectedBy}`,
    details: { ...inner.details, sizeBytes, container: format, virtualBytes: disk.size },
  };
}

/** `message`: a sentence that says what is wrong, then what to do. */
function unusable(file: ByteSource, title: string, message: string): ImageIdentity {
  const split = message.indexOf(". ");
  return {
    kind: "unknown",
    description: title,
    detectedBy: "its header",
    bootable: false,
    refusal: { reason: split < 0 ? message : message.slice(0, split + 1), whatToDo: split < 0 ? "" : message.slice(split + 2), force: false },
    suggestedDrive: "hda",
    details: { sizeBytes: file.size },
  };
}
