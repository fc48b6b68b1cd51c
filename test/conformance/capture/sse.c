// Runs MMX, SSE, SSE2 and SSE3 instructions on the processor and writes what they did: the vectors of silicon-sse.test.ts.
//
//   cc -O1 -o sse sse.c && ./sse 2024 12000 | gzip -9n > ../vectors/sse.bin.gz        (x86-64 Linux)
//
// A vector is 196 bytes: 8 of code (ModRM of memory forms: [edx]; padded with NOP), then the state before and after, 94 bytes each:
// MXCSR (u32), status flags, x87 status word (u16 each), abridged tag word (u8: a set bit is a full register), vector of the fault (u8: 0 none),
// EAX, ECX, XMM0, XMM1, the x87 registers R0 and R1 (10 bytes each, physical numbers: MM0 and MM1), 24 bytes at [edx] and [edi], which are a multiple of 16.

#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "random.h"

struct state {
  uint32_t mxcsr;
  uint16_t flags, status;
  uint8_t tags, fault;
  uint32_t eax, ecx;
  uint8_t xmm[2][16], mm[2][10], memory[24];
} __attribute__((packed));

struct vector {
  uint8_t code[8];
  struct state before, after;
} __attribute__((packed));

struct image {
  uint16_t control, status;
  uint8_t tags, reserved;
  uint16_t opcode;
  uint64_t ip, dp;
  uint32_t mxcsr, mask;
  uint8_t st[8][16], xmm[16][16], rest[96];
} __attribute__((packed));

/** Bits that make ties and carries: runs and few bits. */
static uint64_t pattern(void) {
  uint64_t r = next64();
  switch (below(7)) {
    case 0: return r & (~0ull << below(64));
    case 1: return ~0ull << below(64);
    case 2: return 1ull << below(64) | 1ull << below(64);
    case 3: return ~0ull >> below(64);
    case 4: return (~0ull << below(64)) ^ 1ull << below(64);
    default: return r;
  }
}

static int near32, near64;
static uint32_t single(void) {
  static const uint32_t values[] = {0, 0, 1, 2, 0x7fffff, 0x7ffffe, 0x400000, 0x800000, 0x800001, 0x3f800000, 0x3f800001, 0x3f7fffff, 0x7f7fffff, 0x7f7ffffe, 0x7f000000,
    0x7f800000, 0x7f800000, 0x7f800001, 0x7fbfffff, 0x7fc00000, 0x7fc00001, 0x7fffffff, 0x3f000000, 0x3effffff, 0x3f000001, 0x3fc00000, 0x40200000, 0x4b000000, 0x4affffff,
    0x4b000001, 0x4effffff, 0x4f000000, 0x4f000001, 0x4b800000, 0x1f800000, 0x20000000, 0x33800000, 0x34000000};
  uint32_t sign = below(2) << 31;
  if (below(4) == 0) return sign | values[below(sizeof values / 4)];
  int exponent = below(8) == 0 ? (int)below(256) : below(6) == 0 ? (int)below(30) : below(8) == 0 ? 150 + (int)below(12) : near32 + (int)below(60) - 30;
  if (exponent < 0) exponent = 0;
  if (exponent > 255) exponent = 254;
  if (exponent == 255 && below(4)) exponent = 254;
  return sign | (uint32_t)exponent << 23 | ((uint32_t)(pattern() >> 20) & 0x7fffff);
}
static uint64_t real64(void) {
  static const uint64_t values[] = {0, 0, 1, 2, 0xfffffffffffffull, 0x8000000000000ull, 1ull << 52, 1ull << 52 | 1, 0x3ff0000000000000ull, 0x3ff0000000000001ull, 0x3fefffffffffffffull,
    0x7fefffffffffffffull, 0x7feffffffffffffeull, 0x7fe0000000000000ull, 0x7ff0000000000000ull, 0x7ff0000000000000ull, 0x7ff0000000000001ull, 0x7ff7ffffffffffffull, 0x7ff8000000000000ull,
    0x7ff8000000000001ull, 0x7fffffffffffffffull, 0x3fe0000000000000ull, 0x3fdfffffffffffffull, 0x3ff8000000000000ull, 0x4004000000000000ull, 0x41dfffffffc00000ull, 0x41dfffffffe00000ull,
    0x41dfffffffdfffffull, 0x41e0000000000000ull, 0x41e0000000100000ull, 0x41e0000000200000ull, 0x41e00000001fffffull, 0x47efffffe0000000ull, 0x47efffffefffffffull, 0x47effffff0000000ull, 0x3810000000000000ull, 0x380fffffe0000000ull,
    0x380fffffffffffffull, 0x36a0000000000000ull, 0x3690000000000000ull, 0x3690000000000001ull, 0x1ff0000000000000ull, 0x3ca0000000000000ull, 0x4330000000000000ull};
  uint64_t sign = (uint64_t)below(2) << 63;
  if (below(4) == 0) return sign | values[below(sizeof values / 8)];
  int exponent;
  switch (below(12)) {
    case 0: exponent = (int)below(2048); break;
    case 1: exponent = (int)below(60); break;
    case 2: exponent = 0x380 - 25 + (int)below(30); break;
    case 3: exponent = 0x3ff + (int)below(40) - 4; break;
    default: exponent = near64 + (int)below(120) - 60; break;
  }
  if (exponent < 0) exponent = 0;
  if (exponent > 2046 && below(4)) exponent = 2046;
  if (exponent > 2047) exponent = 2047;
  uint64_t fraction = pattern() & 0xfffffffffffffull;
  if (below(3) == 0) fraction = (fraction & ~0x1fffffffull) | (0x10000000u ^ (below(3) - 1));
  return sign | (uint64_t)exponent << 52 | (fraction & 0xfffffffffffffull);
}

enum kind { INTEGER, SINGLE, DOUBLE };
static void fill(uint8_t *at, enum kind kind) {
  for (int n = 0; n < 2; n++) {
    uint64_t v;
    if (kind == DOUBLE) v = real64();
    else if (kind == SINGLE) v = single() | (uint64_t)single() << 32;
    else {
      v = pattern();
      if (below(3) == 0) {
        static const uint8_t bytes[] = {0, 1, 0x7f, 0x80, 0x81, 0xff, 0xfe};
        for (int i = 0; i < 8; i++) if (below(2)) v = (v & ~(0xffull << i * 8)) | (uint64_t)bytes[below(7)] << i * 8;
      }
    }
    memcpy(at + n * 8, &v, 8);
  }
}

/** What ModRM.rm may be. */
enum { REGISTER = 1, MEMORY = 2, ANY = 3 };
struct instruction { uint8_t prefix, opcode; int8_t group; uint8_t rm; enum kind kind; uint8_t immediate; };

#define INT(op) {0, op, -1, ANY, INTEGER, 0}, {0x66, op, -1, ANY, INTEGER, 0}
#define FOUR(op) {0, op, -1, ANY, SINGLE, 0}, {0x66, op, -1, ANY, DOUBLE, 0}, {0xf3, op, -1, ANY, SINGLE, 0}, {0xf2, op, -1, ANY, DOUBLE, 0}
#define TWO(op, rm, imm) {0, op, -1, rm, SINGLE, imm}, {0x66, op, -1, rm, DOUBLE, imm}
#define SHIFT(op, group) {0, op, group, REGISTER, INTEGER, 1}, {0x66, op, group, REGISTER, INTEGER, 1}
static const struct instruction instructions[] = {
  INT(0x60), INT(0x61), INT(0x62), INT(0x63), INT(0x64), INT(0x65), INT(0x66), INT(0x67), INT(0x68), INT(0x69), INT(0x6a), INT(0x6b), INT(0x6e), INT(0x6f), INT(0x74), INT(0x75), INT(0x76),
  INT(0x7e), INT(0x7f), INT(0xd1), INT(0xd2), INT(0xd3), INT(0xd4), INT(0xd5), INT(0xd8), INT(0xd9), INT(0xda), INT(0xdb), INT(0xdc), INT(0xdd), INT(0xde), INT(0xdf), INT(0xe0), INT(0xe1), INT(0xe2),
  INT(0xe3), INT(0xe4), INT(0xe5), INT(0xe8), INT(0xe9), INT(0xea), INT(0xeb), INT(0xec), INT(0xed), INT(0xee), INT(0xef), INT(0xf1), INT(0xf2), INT(0xf3), INT(0xf4), INT(0xf5), INT(0xf6), INT(0xf8),
  INT(0xf9), INT(0xfa), INT(0xfb), INT(0xfc), INT(0xfd), INT(0xfe),
  {0x66, 0x6c, -1, ANY, INTEGER, 0}, {0x66, 0x6d, -1, ANY, INTEGER, 0}, {0xf3, 0x6f, -1, ANY, INTEGER, 0}, {0xf3, 0x7f, -1, ANY, INTEGER, 0}, {0xf3, 0x7e, -1, ANY, INTEGER, 0}, {0x66, 0xd6, -1, ANY, INTEGER, 0},
  {0xf3, 0xd6, -1, REGISTER, INTEGER, 0}, {0xf2, 0xd6, -1, REGISTER, INTEGER, 0}, {0, 0x77, -2, 0, INTEGER, 0},
  SHIFT(0x71, 2), SHIFT(0x71, 4), SHIFT(0x71, 6), SHIFT(0x72, 2), SHIFT(0x72, 4), SHIFT(0x72, 6), SHIFT(0x73, 2), SHIFT(0x73, 6), {0x66, 0x73, 3, REGISTER, INTEGER, 1}, {0x66, 0x73, 7, REGISTER, INTEGER, 1},
  {0, 0x70, -1, ANY, INTEGER, 1}, {0x66, 0x70, -1, ANY, INTEGER, 1}, {0xf3, 0x70, -1, ANY, INTEGER, 1}, {0xf2, 0x70, -1, ANY, INTEGER, 1},
  {0, 0xc4, -1, ANY, INTEGER, 1}, {0x66, 0xc4, -1, ANY, INTEGER, 1}, {0, 0xc5, -1, REGISTER, INTEGER, 1}, {0x66, 0xc5, -1, REGISTER, INTEGER, 1}, {0, 0xd7, -1, REGISTER, INTEGER, 0}, {0x66, 0xd7, -1, REGISTER, INTEGER, 0},
  {0, 0xe7, -1, MEMORY, INTEGER, 0}, {0x66, 0xe7, -1, MEMORY, INTEGER, 0}, {0, 0xf7, -1, REGISTER, INTEGER, 0}, {0x66, 0xf7, -1, REGISTER, INTEGER, 0}, {0xf2, 0xf0, -1, MEMORY, INTEGER, 0}, {0, 0xc3, -1, MEMORY, INTEGER, 0},
  FOUR(0x10), FOUR(0x11), TWO(0x12, MEMORY, 0), {0, 0x12, -1, REGISTER, SINGLE, 0}, TWO(0x13, MEMORY, 0), TWO(0x14, ANY, 0), TWO(0x15, ANY, 0), TWO(0x16, MEMORY, 0), {0, 0x16, -1, REGISTER, SINGLE, 0}, TWO(0x17, MEMORY, 0),
  TWO(0x28, ANY, 0), TWO(0x29, ANY, 0), TWO(0x2b, MEMORY, 0), TWO(0x50, REGISTER, 0), {0xf2, 0x12, -1, ANY, DOUBLE, 0}, {0xf3, 0x12, -1, ANY, SINGLE, 0}, {0xf3, 0x16, -1, ANY, SINGLE, 0},
  TWO(0x54, ANY, 0), TWO(0x55, ANY, 0), TWO(0x56, ANY, 0), TWO(0x57, ANY, 0), TWO(0xc6, ANY, 1),
  FOUR(0x51), FOUR(0x58), FOUR(0x59), FOUR(0x5c), FOUR(0x5d), FOUR(0x5e), FOUR(0x5f), FOUR(0x51), FOUR(0x58), FOUR(0x59), FOUR(0x5c), FOUR(0x5d), FOUR(0x5e), FOUR(0x5f),
  {0, 0x52, -1, ANY, SINGLE, 0}, {0xf3, 0x52, -1, ANY, SINGLE, 0}, {0, 0x53, -1, ANY, SINGLE, 0}, {0xf3, 0x53, -1, ANY, SINGLE, 0},
  {0x66, 0x7c, -1, ANY, DOUBLE, 0}, {0xf2, 0x7c, -1, ANY, SINGLE, 0}, {0x66, 0x7d, -1, ANY, DOUBLE, 0}, {0xf2, 0x7d, -1, ANY, SINGLE, 0}, {0x66, 0xd0, -1, ANY, DOUBLE, 0}, {0xf2, 0xd0, -1, ANY, SINGLE, 0},
  {0, 0xc2, -1, ANY, SINGLE, 1}, {0x66, 0xc2, -1, ANY, DOUBLE, 1}, {0xf3, 0xc2, -1, ANY, SINGLE, 1}, {0xf2, 0xc2, -1, ANY, DOUBLE, 1}, TWO(0x2e, ANY, 0), TWO(0x2f, ANY, 0),
  {0, 0x2a, -1, ANY, INTEGER, 0}, {0x66, 0x2a, -1, ANY, INTEGER, 0}, {0xf3, 0x2a, -1, ANY, INTEGER, 0}, {0xf2, 0x2a, -1, ANY, INTEGER, 0}, FOUR(0x2c), FOUR(0x2d),
  {0, 0x5a, -1, ANY, SINGLE, 0}, {0x66, 0x5a, -1, ANY, DOUBLE, 0}, {0xf3, 0x5a, -1, ANY, SINGLE, 0}, {0xf2, 0x5a, -1, ANY, DOUBLE, 0},
  {0, 0x5b, -1, ANY, INTEGER, 0}, {0x66, 0x5b, -1, ANY, SINGLE, 0}, {0xf3, 0x5b, -1, ANY, SINGLE, 0}, {0x66, 0xe6, -1, ANY, DOUBLE, 0}, {0xf2, 0xe6, -1, ANY, DOUBLE, 0}, {0xf3, 0xe6, -1, ANY, INTEGER, 0},
  {0, 0xae, 2, MEMORY, INTEGER, 0}, {0, 0xae, 3, MEMORY, INTEGER, 0}, {0, 0xae, 5, REGISTER, INTEGER, 0}, {0, 0xae, 6, REGISTER, INTEGER, 0}, {0, 0xae, 7, REGISTER, INTEGER, 0}, {0, 0xae, 7, MEMORY, INTEGER, 0},
};
#define INSTRUCTIONS (sizeof instructions / sizeof *instructions)

static uint8_t *code, *after;
static struct image input __attribute__((aligned(16))), output __attribute__((aligned(16)));
static uint8_t memory[32] __attribute__((aligned(16)));
static uint32_t general[2];
static volatile int fault;

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)info;
  fault = number == SIGFPE ? 19 : number == SIGSEGV ? 13 : number == SIGILL ? 6 : 255;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] = (greg_t)after;
}

/** fxrstor input; registers and flags; the instruction with rdx = rdi = memory; flags; fxsave output. */
static unsigned run(const uint8_t *bytes, unsigned flags) {
  // fxrstor [rdi]; mov r9,rcx; mov rdi,rdx; mov eax,[r8]; mov ecx,[r8+4]; push rsi; popfq
  static const uint8_t head[] = {0x0f, 0xae, 0x0f, 0x49, 0x89, 0xc9, 0x48, 0x89, 0xd7, 0x41, 0x8b, 0x00, 0x41, 0x8b, 0x48, 0x04, 0x56, 0x9d};
  // pushfq; pop r10; fxsave [r9]; mov [r8],eax; mov [r8+4],ecx; mov rax,r10; ret
  static const uint8_t tail[] = {0x9c, 0x41, 0x5a, 0x41, 0x0f, 0xae, 0x01, 0x41, 0x89, 0x00, 0x41, 0x89, 0x48, 0x04, 0x4c, 0x89, 0xd0, 0xc3};
  memcpy(code, head, sizeof head);
  memcpy(code + sizeof head, bytes, 8);
  after = code + sizeof head + 8;
  memcpy(after, tail, sizeof tail);
  unsigned (*call)(struct image *, uint64_t, void *, struct image *, uint32_t *) = (void *)code;
  fault = 0;
  unsigned result = call(&input, flags, memory, &output, general);
  uint32_t usual = 0x1f80;
  __asm__ volatile("fninit; ldmxcsr %0" : : "m"(usual));
  return result;
}

int main(int argc, char **argv) {
  plant(argc > 1 ? argv[1] : "1");
  long count = argc > 2 ? atol(argv[2]) : 1000;
  code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  sigaction(SIGFPE, &action, 0);
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGILL, &action, 0);
  for (long n = 0; n < count; n++) {
    const struct instruction *i = &instructions[n % INSTRUCTIONS];
    struct vector v;
    memset(&v, 0, sizeof v);
    memset(v.code, 0x90, 8);
    uint8_t *p = v.code;
    if (i->prefix) *p++ = i->prefix;
    *p++ = 0x0f;
    *p++ = i->opcode;
    int inMemory = i->rm == MEMORY || (i->rm == ANY && below(2));
    unsigned reg = i->group >= 0 ? (unsigned)i->group : below(2);
    if (i->group != -2) *p++ = (uint8_t)(inMemory ? reg << 3 | 2 : 0xc0 | reg << 3 | below(2));
    if (i->immediate) *p++ = (uint8_t)(below(3) ? below(40) : next64());
    struct state *s = &v.before;
    unsigned masks = below(4) ? 0x1f80 : (unsigned)(next64() & 0x1f80);
    s->mxcsr = masks | (below(2) ? 0 : below(4) << 13) | (below(3) ? 0 : 0x8000) | (below(3) ? 0 : 0x40) | (below(2) ? 0x20 : below(3) ? 0 : (unsigned)(next64() & 0x3f));
    s->flags = (uint16_t)(next64() & STATUS_FLAGS);
    unsigned top = below(4) ? 0 : below(8);
    s->status = (uint16_t)(top << 11 | (next64() & 0x4700));
    s->tags = (uint8_t)next64();
    s->eax = (uint32_t)pattern();
    s->ecx = (uint32_t)pattern();
    near32 = below(2) ? 0x7f : (int)below(256);
    near64 = below(2) ? 0x3ff : (int)below(2048);
    fill(s->xmm[0], i->kind);
    fill(s->xmm[1], i->kind);
    fill(s->memory, i->kind);
    fill(s->memory + 8, i->kind);
    if (i->opcode == 0xae && i->group == 2) {
      uint32_t value = (uint32_t)next64() & (below(4) ? 0xffff : ~0u);
      memcpy(s->memory, &value, 4);
    }
    // Shift counts in range as often as not.
    if (((i->opcode >= 0xd1 && i->opcode <= 0xd3) || (i->opcode >= 0xe1 && i->opcode <= 0xe2) || (i->opcode >= 0xf1 && i->opcode <= 0xf3)) && below(3)) {
      uint64_t amount = below(70);
      memcpy(s->xmm[1], &amount, 8);
      memcpy(s->memory, &amount, 8);
    }
    uint64_t significands[8];
    for (int r = 0; r < 8; r++) {
      significands[r] = pattern();
      if (r == 1 && below(2)) significands[r] = below(70);
    }
    memset(&input, 0, sizeof input);
    input.control = 0x37f;
    input.status = s->status;
    input.tags = s->tags;
    input.mxcsr = s->mxcsr;
    for (unsigned st = 0; st < 8; st++) {
      unsigned r = (top + st) & 7;
      uint16_t se = (uint16_t)(0x3fff + r);
      memcpy(input.st[st], &significands[r], 8);
      memcpy(input.st[st] + 8, &se, 2);
      if (r < 2) memcpy(s->mm[r], input.st[st], 10);
    }
    memcpy(input.xmm[0], s->xmm[0], 16);
    memcpy(input.xmm[1], s->xmm[1], 16);
    memcpy(memory, s->memory, 24);
    general[0] = s->eax;
    general[1] = s->ecx;
    struct state *e = &v.after;
    e->flags = (uint16_t)(run(v.code, s->flags) & STATUS_FLAGS);
    e->fault = (uint8_t)fault;
    e->mxcsr = output.mxcsr;
    e->status = output.status;
    e->tags = output.tags;
    e->eax = general[0];
    e->ecx = general[1];
    memcpy(e->xmm[0], output.xmm[0], 16);
    memcpy(e->xmm[1], output.xmm[1], 16);
    unsigned newTop = output.status >> 11 & 7;
    memcpy(e->mm[0], output.st[(8 - newTop) & 7], 10);
    memcpy(e->mm[1], output.st[(9 - newTop) & 7], 10);
    memcpy(e->memory, memory, 24);
    if (fault) e->flags = s->flags;
    fwrite(&v, sizeof v, 1, stdout);
  }
  return 0;
}
