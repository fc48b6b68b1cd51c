// Machine code of a program, byte by byte, for 16- or 32-bit segments.

export class Code {
  readonly bytes: number[] = [];
  readonly is32: boolean;

  constructor(is32: boolean) {
    this.is32 = is32;
  }

  raw(...bytes: number[]): this {
    this.bytes.push(...bytes);
    return this;
  }

  word(value: number, width: 1 | 2 | 4): this {
    for (let i = 0; i < width; i++) this.bytes.push((value >>> (8 * i)) & 0xff);
    return this;
  }

  /** The prefix that makes the operand `width` bytes wide. */
  size(width: 2 | 4): this {
    return (width === 4) === this.is32 ? this : this.raw(0x66);
  }

  /** The prefix for 32-bit addresses. */
  address32(): this {
    return this.is32 ? this : this.raw(0x67);
  }

  /** mov r32, value */
  load(register: number, value: number): this {
    return this.size(4).raw(0xb8 + register).word(value, 4);
  }

  /** push value */
  push(width: 2 | 4, value: number): this {
    return this.size(width).raw(0x68).word(value, width);
  }

  /** `opcode` with [address], an absolute offset in DS (or what a prefix before says). */
  absolute(width: 2 | 4 | 0, opcode: readonly number[], reg: number, address: number): this {
    if (width !== 0) this.size(width);
    return this.address32().raw(...opcode, 5 | (reg << 3)).word(address, 4);
  }

  /** jmp far selector:offset, or call far. */
  far(opcode: 0xea | 0x9a, width: 2 | 4, selector: number, offset: number): this {
    return this.size(width).raw(opcode).word(offset, width).word(selector, 2);
  }
}
