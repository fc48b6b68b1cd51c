// The two-wire PS/2 connection as the keyboard controller sees it, a byte at a time.
//
// Manual: IBM PS/2 Hardware Interface Technical Reference, "Keyboard/Auxiliary Device Controller".

/** A keyboard or mouse at the far end of the cable. */
export interface Ps2Device {
  /** The host sends a byte. Replies are ready when this returns. */
  command(byte: number): void;
  /** Whether the device has a byte to send. */
  readonly waiting: boolean;
  /** The next byte to the host; only when `waiting`. */
  take(): number;
  /** Set by the controller: called when the device has something to send. */
  onOutput: () => void;
}

export const PS2_ACK = 0xfa;
export const PS2_RESEND = 0xfe;
export const PS2_BAT_OK = 0xaa;
