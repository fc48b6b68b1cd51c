// What the CRT controller's registers mean in lines and nanoseconds: where the beam is.
// IBM PS/2 Hardware Interface Technical Reference, Video Subsystem: "CRT Controller Registers".

import { SEQ_CLOCKING } from "./vga-memory.ts";

export interface VgaTiming {
  readonly lineNs: number;
  /** The part of a line, from its start, in which pixels are shown. */
  readonly shownNs: number;
  readonly totalLines: number;
  readonly shownLines: number;
  /** Vertical retrace: the first line and the first after it. */
  readonly retraceStart: number;
  readonly retraceEnd: number;
  readonly frameNs: number;
}

/** The two crystals that bits 3:2 of the Miscellaneous Output register choose from. */
const DOT_CLOCK_HZ = [25_175_000, 28_322_000, 25_175_000, 25_175_000] as const;

/** The lines that are shown: Vertical Display Enable End and its bits in the Overflow register. */
export function shownLines(crtc: Uint8Array): number {
  return 1 + (crtc[0x12] | ((crtc[7] & 0x02) << 7) | ((crtc[7] & 0x40) << 3));
}

/** The line after which the address counter starts again from zero (split screen). */
export function lineCompare(crtc: Uint8Array): number {
  return crtc[0x18] | ((crtc[7] & 0x10) << 4) | ((crtc[9] & 0x40) << 3);
}

export function vgaTiming(crtc: Uint8Array, sequencer: Uint8Array, miscOutput: number): VgaTiming {
  const clocking = sequencer[SEQ_CLOCKING];
  const dotsPerCharacter = (clocking & 1 ? 8 : 9) * (clocking & 8 ? 2 : 1);
  const characterNs = (dotsPerCharacter * 1e9) / DOT_CLOCK_HZ[(miscOutput >> 2) & 3];
  const lineNs = (crtc[0] + 5) * characterNs;
  const totalLines = 2 + (crtc[6] | ((crtc[7] & 0x01) << 8) | ((crtc[7] & 0x20) << 4));
  const retraceStart = crtc[0x10] | ((crtc[7] & 0x04) << 6) | ((crtc[7] & 0x80) << 2);
  // The end register holds only the low four bits of the line.
  const retraceLines = (((crtc[0x11] & 0x0f) - retraceStart) & 0x0f) || 16;
  return {
    lineNs,
    shownNs: Math.min(lineNs, (crtc[1] + 1) * characterNs),
    totalLines,
    shownLines: shownLines(crtc),
    retraceStart,
    retraceEnd: retraceStart + retraceLines,
    frameNs: lineNs * totalLines,
  };
}

/** Bits of Input Status 1. */
const STATUS_DISPLAY_DISABLED = 0x01;
const STATUS_VERTICAL_RETRACE = 0x08;

/** Input Status 1 at a moment: is the beam inside the picture, is it flying back? */
export function beamStatus(timing: VgaTiming, nowNs: number): number {
  const inFrame = nowNs % timing.frameNs;
  const line = Math.floor(inFrame / timing.lineNs);
  const inLine = inFrame - line * timing.lineNs;
  const shown = line < timing.shownLines && inLine < timing.shownNs;
  const retrace = line >= timing.retraceStart && line < timing.retraceEnd;
  return (shown ? 0 : STATUS_DISPLAY_DISABLED) | (retrace ? STATUS_VERTICAL_RETRACE : 0);
}
