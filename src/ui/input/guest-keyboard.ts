// The keyboard while the guest's screen has the focus: every key goes to the guest, except the chord that gives it back.

import { scanCodes } from "./scancodes.ts";

/** Ctrl+Alt pressed and released with no other key in between. AltGr, which some systems report as Ctrl+Alt, is none. */
export class ReleaseChord {
  private armed = false;

  /** True when this event completes the chord. */
  see(event: Pick<KeyboardEvent, "type" | "key" | "code" | "ctrlKey" | "altKey">): boolean {
    const modifier = event.code === "ControlLeft" || event.code === "ControlRight" || event.code === "AltLeft";
    if (event.type === "keydown") {
      this.armed = modifier && (event.ctrlKey || event.key === "Control") && (event.altKey || event.key === "Alt");
      return false;
    }
    const complete = this.armed && modifier;
    this.armed = false;
    return complete;
  }
}

export class GuestKeyboard {
  private readonly send: (scancodes: Uint8Array) => void;
  private readonly release: () => void;
  private readonly chord = new ReleaseChord();
  private readonly down = new Set<string>();

  constructor(send: (scancodes: Uint8Array) => void, release: () => void) {
    this.send = send;
    this.release = release;
  }

  /** Shift+Tab leaves the screen, as on every page. */
  handle(event: KeyboardEvent): void {
    if (event.code === "Tab" && event.shiftKey) return;
    const complete = this.chord.see(event);
    event.preventDefault();
    event.stopPropagation();
    const down = event.type === "keydown";
    const codes = scanCodes(event.code, down);
    if (codes.length > 0 && (down || this.down.has(event.code))) {
      this.send(codes);
      if (down) this.down.add(event.code);
      else this.down.delete(event.code);
    }
    if (complete) {
      this.releaseAll();
      this.release();
    }
  }

  /** The focus went away: no key may stay pressed in the guest. */
  releaseAll(): void {
    for (const code of this.down) this.send(scanCodes(code, false));
    this.down.clear();
  }
}
