// Names of the lane-wise operations on 128-bit values, by shape and meaning as WebAssembly has them (Core Specification, "Vector
// Instructions"). Integer lanes wrap unless the name says `sat`; floating-point ones round to the nearest, give a NaN of unknown
// payload, and raise nothing.

type IntegerShape = "i8x16" | "i16x8" | "i32x4" | "i64x2";
type NarrowShape = "i8x16" | "i16x8";
type RealShape = "f32x4" | "f64x2";
type Comparison = "eq" | "ne" | "lt_s" | "gt_s";

export type VectorOperation =
  | "v128.not" | "v128.and" | "v128.andnot" | "v128.or" | "v128.xor"
  /** (when set, when clear, mask), bit by bit. */
  | "v128.bitselect"
  /** Bytes of the first operand by the numbers in the second; 0 for numbers above 15. */
  | "i8x16.swizzle"
  | `${IntegerShape}.${"add" | "sub" | Comparison}` | `${"i16x8" | "i32x4" | "i64x2"}.mul`
  | `${NarrowShape}.${"add_sat_s" | "add_sat_u" | "sub_sat_s" | "sub_sat_u" | "min_s" | "min_u" | "max_s" | "max_u" | "avgr_u"}`
  | "i8x16.narrow_i16x8_s" | "i8x16.narrow_i16x8_u" | "i16x8.narrow_i32x4_s"
  | "i16x8.extadd_pairwise_i8x16_u" | "i32x4.extadd_pairwise_i16x8_u"
  | `i32x4.extmul_${"low" | "high"}_i16x8_${"s" | "u"}` | "i32x4.dot_i16x8_s"
  | `${RealShape}.${"add" | "sub" | "mul" | "div" | "eq" | "ne" | "lt" | "le" | "sqrt" | "ceil" | "floor" | "trunc" | "nearest"}`
  | "f32x4.demote_f64x2_zero" | "f64x2.promote_low_f32x4" | "f32x4.convert_i32x4_s" | "f64x2.convert_low_i32x4_s" | "i32x4.trunc_sat_f64x2_s_zero";

/** Value and a 32-bit count, modulo the lane's bits. */
export type VectorShift = `${"i16x8" | "i32x4" | "i64x2"}.${"shl" | "shr_u"}` | `${"i16x8" | "i32x4"}.shr_s`;

/** From a 128-bit value to a 32-bit one. `bitmask`: the lanes' sign bits. */
export type VectorTest = "v128.any_true" | `${IntegerShape}.${"all_true" | "bitmask"}`;

export type LaneShape = "i16x8" | "i32x4" | "i64x2";
