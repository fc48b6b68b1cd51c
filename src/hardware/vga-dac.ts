// The INMOS G171-like colour look-up table: ports 3C6h-3C9h.
// IBM PS/2 Hardware Interface Technical Reference, Video Subsystem: "Digital-to-Analog Converter".

/** State that a snapshot keeps. */
export interface DacState {
  palette: Uint8Array;
  mask: number;
  /** The entry and the component (0 red, 1 green, 2 blue) that the next access goes to. */
  index: number;
  component: number;
  /** 3 after the read index was written, 0 after the write index was: what port 3C7h reads as. */
  direction: number;
}

export class VgaDac {
  state: DacState = freshDac();
  /** Eight bits a component, where the Bochs display interface has asked for them. */
  eightBit = false;

  reset(): void {
    this.state = freshDac();
    this.eightBit = false;
  }

  setReadIndex(value: number): void {
    this.state.index = value;
    this.state.component = 0;
    this.state.direction = 3;
  }

  setWriteIndex(value: number): void {
    this.state.index = value;
    this.state.component = 0;
    this.state.direction = 0;
  }

  readData(): number {
    const value = this.state.palette[this.state.index * 3 + this.state.component];
    this.next();
    return value;
  }

  writeData(value: number): void {
    this.state.palette[this.state.index * 3 + this.state.component] = this.eightBit ? value : value & 0x3f;
    this.next();
  }

  /** The entry as the monitor gets it: 0xAABBGGRR, the bytes R G B A in memory. */
  color(entry: number): number {
    const at = (entry & this.state.mask) * 3;
    const p = this.state.palette;
    const scale = this.eightBit ? (v: number) => v : (v: number) => (v << 2) | (v >> 4);
    return (0xff000000 | (scale(p[at + 2]) << 16) | (scale(p[at + 1]) << 8) | scale(p[at])) >>> 0;
  }

  /** Reads and writes share one counter: after blue comes the next entry's red. */
  private next(): void {
    const s = this.state;
    s.component = (s.component + 1) % 3;
    if (s.component === 0) s.index = (s.index + 1) & 0xff;
  }
}

function freshDac(): DacState {
  return { palette: new Uint8Array(768), mask: 0xff, index: 0, component: 0, direction: 0 };
}
