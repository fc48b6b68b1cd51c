// The keyboard while the guest's screen has the focus: every key goes to the guest, except the chord that gives it back.

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
  private readonly send: (code: string, down: boolean) => void;
  private readonly release: () => void;
  private readonly chord = new ReleaseChord();
  private readonly down = new Set<string>();

  constructor(send: (code: string, down: boolean) => void, release: () => void) {
    this.send = send;
    this.release = release;
  }

  /** Shift+Tab leaves the screen, as on every page. */
  handle(event: KeyboardEvent): void {
    if (event.code === "Tab" && event.shiftKey) return;
    // A phone's keyboard names no keys: what it writes comes as text.
    if (event.code === "" || event.isComposing) return;
    const complete = this.chord.see(event);
    event.preventDefault();
    event.stopPropagation();
    if (event.type === "keydown") {
      if (!event.repeat) this.send(event.code, true);
      this.down.add(event.code);
    } else if (this.down.delete(event.code)) {
      this.send(event.code, false);
    }
    if (complete) {
      this.releaseAll();
      this.release();
    }
  }

  /** The focus went away: no key may stay pressed in the guest. */
  releaseAll(): void {
    for (const code of this.down) this.send(code, false);
    this.down.clear();
  }
}
