// Operand codes of SDM Vol. 2 Appendix A ("Key to Abbreviations"), the language of the opcode rows.
//
// Eb Ew Ev Ed  r/m of 8, 16, operand-size, 32 bits        Gb Gw Gv Gd  register of ModRM.reg
// Ib Iw Iv Iz Ibs  immediates (Iz: 16 or 32 bits; Ibs: 8 bits sign-extended to the operand size)
// Jb Jz  relative targets       Ap  far pointer ptr16:16/32       Mp  far pointer in memory (16:16/32)
// M Mb Mw Md Mq Mt Ma Ms Mx Mu  memory only (Mt: 80-bit, Ma: BOUND pair, Ms: pseudo-descriptor, Mx: 128-bit, aligned; Mu: 128-bit, anywhere)
// Ob Ov  absolute offset (MOV AL, moffs)       Sw  segment register of ModRM.reg
// Cd Dd Td  control, debug, test register       Rd  general register of ModRM.rm (mod ignored: MOV CRn)
// Zb Zv  register in the low three opcode bits     AL AX eAX CL DX ... fixed registers    1  the constant 1
// ES CS SS DS FS GS  fixed segment registers      Xb Xv Yb Yv  string operands DS:(E)SI, ES:(E)DI
// ST STi  x87 stack top and ST(i)    Pq Qq Qd  MMX register / r/m    Vx Wx Wu Wd Wq  XMM register / r/m of 128 (Wx: aligned, Wu: anywhere), 32, 64 bits
// Vd Vq  low part of the XMM register of ModRM.reg    Nq Ux Uq  MMX, XMM register of ModRM.rm    Edw  r32, or a word in memory (PINSRW)

export type OperandCode =
  | "Eb" | "Ew" | "Ev" | "Ed" | "Gb" | "Gw" | "Gv" | "Gd"
  | "Ib" | "Iw" | "Iv" | "Iz" | "Ibs" | "Jb" | "Jz" | "Ap" | "Mp"
  | "M" | "Mb" | "Mw" | "Md" | "Mq" | "Mt" | "Ma" | "Ms" | "Mx" | "Mu" | "Ob" | "Ov"
  | "Sw" | "Cd" | "Dd" | "Td" | "Rd" | "Zb" | "Zv"
  | "AL" | "AX" | "eAX" | "CL" | "DX" | "1" | "3"
  | "ES" | "CS" | "SS" | "DS" | "FS" | "GS"
  | "Xb" | "Xv" | "Yb" | "Yv" | "ST" | "STi" | "Pq" | "Qq" | "Qd" | "Vx" | "Vd" | "Vq" | "Wx" | "Wu" | "Wd" | "Wq" | "Nq" | "Ux" | "Uq" | "Edw";
