// Opcodes behind the FD prefix (WebAssembly Core Specification, "Vector Instructions").

import type { LaneShape, VectorOperation, VectorShift, VectorTest } from "../isa/vector-operation.ts";

/** Marks an opcode that the prefix byte precedes. */
export const VECTOR = 0xfd00;

export const V128_LOAD = VECTOR | 0, V128_STORE = VECTOR | 11, V128_CONST = VECTOR | 12, SHUFFLE = VECTOR | 13;

export const SPLAT: Readonly<Record<LaneShape, number>> = { i16x8: VECTOR | 16, i32x4: VECTOR | 17, i64x2: VECTOR | 18 };
export const EXTRACT_LANE: Readonly<Record<LaneShape, number>> = { i16x8: VECTOR | 25, i32x4: VECTOR | 27, i64x2: VECTOR | 29 };
export const REPLACE_LANE: Readonly<Record<LaneShape, number>> = { i16x8: VECTOR | 26, i32x4: VECTOR | 28, i64x2: VECTOR | 30 };

const OPCODES: Readonly<Record<VectorOperation | VectorShift | VectorTest, number>> = {
  "i8x16.swizzle": 14,
  "i8x16.eq": 35, "i8x16.ne": 36, "i8x16.lt_s": 37, "i8x16.gt_s": 39, "i16x8.eq": 45, "i16x8.ne": 46, "i16x8.lt_s": 47, "i16x8.gt_s": 49,
  "i32x4.eq": 55, "i32x4.ne": 56, "i32x4.lt_s": 57, "i32x4.gt_s": 59,
  "f32x4.eq": 65, "f32x4.ne": 66, "f32x4.lt": 67, "f32x4.le": 69, "f64x2.eq": 71, "f64x2.ne": 72, "f64x2.lt": 73, "f64x2.le": 75,
  "v128.not": 77, "v128.and": 78, "v128.andnot": 79, "v128.or": 80, "v128.xor": 81, "v128.bitselect": 82, "v128.any_true": 83,
  "f32x4.demote_f64x2_zero": 94, "f64x2.promote_low_f32x4": 95,
  "i8x16.all_true": 99, "i8x16.bitmask": 100, "i8x16.narrow_i16x8_s": 101, "i8x16.narrow_i16x8_u": 102,
  "f32x4.ceil": 103, "f32x4.floor": 104, "f32x4.trunc": 105, "f32x4.nearest": 106,
  "i8x16.add": 110, "i8x16.add_sat_s": 111, "i8x16.add_sat_u": 112, "i8x16.sub": 113, "i8x16.sub_sat_s": 114, "i8x16.sub_sat_u": 115,
  "f64x2.ceil": 116, "f64x2.floor": 117, "i8x16.min_s": 118, "i8x16.min_u": 119, "i8x16.max_s": 120, "i8x16.max_u": 121, "f64x2.trunc": 122, "i8x16.avgr_u": 123,
  "i16x8.extadd_pairwise_i8x16_u": 125, "i32x4.extadd_pairwise_i16x8_u": 127,
  "i16x8.all_true": 131, "i16x8.bitmask": 132, "i16x8.narrow_i32x4_s": 133, "i16x8.shl": 139, "i16x8.shr_s": 140, "i16x8.shr_u": 141,
  "i16x8.add": 142, "i16x8.add_sat_s": 143, "i16x8.add_sat_u": 144, "i16x8.sub": 145, "i16x8.sub_sat_s": 146, "i16x8.sub_sat_u": 147, "f64x2.nearest": 148,
  "i16x8.mul": 149, "i16x8.min_s": 150, "i16x8.min_u": 151, "i16x8.max_s": 152, "i16x8.max_u": 153, "i16x8.avgr_u": 155,
  "i32x4.all_true": 163, "i32x4.bitmask": 164, "i32x4.shl": 171, "i32x4.shr_s": 172, "i32x4.shr_u": 173, "i32x4.add": 174, "i32x4.sub": 177, "i32x4.mul": 181,
  "i32x4.dot_i16x8_s": 186,
  "i32x4.extmul_low_i16x8_s": 188, "i32x4.extmul_high_i16x8_s": 189, "i32x4.extmul_low_i16x8_u": 190, "i32x4.extmul_high_i16x8_u": 191,
  "i64x2.all_true": 195, "i64x2.bitmask": 196, "i64x2.shl": 203, "i64x2.shr_u": 205, "i64x2.add": 206, "i64x2.sub": 209, "i64x2.mul": 213,
  "i64x2.eq": 214, "i64x2.ne": 215, "i64x2.lt_s": 216, "i64x2.gt_s": 217,
  "f32x4.sqrt": 227, "f32x4.add": 228, "f32x4.sub": 229, "f32x4.mul": 230, "f32x4.div": 231,
  "f64x2.sqrt": 239, "f64x2.add": 240, "f64x2.sub": 241, "f64x2.mul": 242, "f64x2.div": 243,
  "f32x4.convert_i32x4_s": 250, "i32x4.trunc_sat_f64x2_s_zero": 252, "f64x2.convert_low_i32x4_s": 254,
};

export function vectorOpcode(name: VectorOperation | VectorShift | VectorTest): number {
  return VECTOR | OPCODES[name];
}

/** By opcode, for people. */
export function vectorNames(): ReadonlyMap<number, string> {
  const names = new Map([[V128_LOAD, "v128.load"], [V128_STORE, "v128.store"], [V128_CONST, "v128.const"], [SHUFFLE, "i8x16.shuffle"]]);
  for (const [name, op] of Object.entries(OPCODES)) names.set(VECTOR | op, name);
  for (const [suffix, lanes] of [["splat", SPLAT], ["extract_lane", EXTRACT_LANE], ["replace_lane", REPLACE_LANE]] as const) {
    for (const [shape, op] of Object.entries(lanes)) names.set(op, `${shape}.${suffix}`);
  }
  return names;
}
