// Runs x87 instructions on the processor and writes what they did: the vectors of silicon-x87.test.ts.
//
//   cc -O1 -o x87 x87.c && ./x87 2024 8000 | gzip -9n > ../vectors/x87.bin.gz        (x86-64 Linux; GROUP as third argument)
//
// A vector is 212 bytes: 4 of code (ModRM of memory forms: [edx]; padded with NOP), then the state before and after:
// control, status, tag word and the status flags (u16 each), ST(0) to ST(7) (10 bytes each), 16 bytes at [edx].
// Exceptions that are unmasked stay pending: FNSAVE, which takes the state, does not wait for them.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "random.h"

struct state {
  uint16_t control, status, tags, flags;
  uint8_t st[8][10];
  uint8_t memory[16];
} __attribute__((packed));

struct vector {
  uint8_t code[4];
  struct state before, after;
} __attribute__((packed));

struct image {
  uint32_t control, status, tags, ip, cs, dp, ds;
  uint8_t st[8][10];
} __attribute__((packed));

static void put80(uint8_t *at, uint64_t significand, unsigned se) {
  memcpy(at, &significand, 8);
  at[8] = (uint8_t)se;
  at[9] = (uint8_t)(se >> 8);
}

#define TOP (1ull << 63)
static const struct { uint64_t significand; unsigned exponent; } special[] = {
  {0, 0}, {0, 0}, {TOP, 0x3fff}, {1, 0}, {TOP - 1, 0}, {TOP, 0}, {~0ull, 0}, {TOP | 1, 0}, {TOP, 1}, {~0ull, 1}, {TOP, 0x7ffe}, {~0ull, 0x7ffe}, {TOP, 0x7fff},
  {TOP, 0x7fff}, {TOP | 1, 0x7fff}, {TOP | 1ull << 62, 0x7fff}, {TOP | 1ull << 62 | 5, 0x7fff}, {~0ull, 0x7fff}, {TOP | (1ull << 62) - 1, 0x7fff},
  {0, 0x7fff}, {1, 0x7fff}, {1ull << 62, 0x7fff}, {0, 0x3fff}, {TOP - 1, 0x4010}, {1ull << 62, 1}, {TOP, 0x400e}, {0xffff8000ull << 32, 0x400d},
  {TOP, 0x401e}, {0xffffffff00000000ull, 0x401d}, {0xfffffffe00000000ull, 0x401d}, {TOP, 0x403e}, {~0ull, 0x403d}, {TOP | 1, 0x403e}, {TOP, 0x403d}, {~0ull, 0x403e},
  {0xde0b6b3a763fffffull, 0x403a}, {0xde0b6b3a76400000ull, 0x403a}, {TOP, 0x3ffe}, {0xc000000000000000ull, 0x3fff}, {0xc90fdaa22168c235ull, 0x4000}, {0xb504f333f9de6484ull, 0x3ffe},
  {TOP, 0x3f80}, {TOP, 0x3f81}, {TOP, 0x407f}, {0xffffff8000000000ull, 0x407e}, {0xffffff0000000000ull, 0x407e}, {TOP, 0x3c00}, {TOP, 0x3c01}, {TOP, 0x43ff}, {0xfffffffffffffc00ull, 0x43fe}, {0xfffffffffffff800ull, 0x43fe},
  {TOP, 0x3f69}, {TOP, 0x3f68}, {TOP, 0x3bcd}, {TOP, 0x3bcc},
};
#define SPECIALS (sizeof special / sizeof *special)

/** Bits that make ties and carries: runs, few bits, cut at 24 or 53 bits with a rest near one half. */
static uint64_t pattern(void) {
  uint64_t r = next64();
  switch (below(8)) {
    case 0: return r;
    case 1: return r & (~0ull << below(64));
    case 2: return (r & ~0xffffffffffull) | (1ull << 39) ^ (uint64_t)(below(3) - 1);
    case 3: return (r & ~0x7ffull) | (1ull << 10) ^ (uint64_t)(below(3) - 1);
    case 4: return ~0ull << below(64);
    case 5: return 1ull << below(64) | 1ull << below(64);
    case 6: return ~0ull >> below(64);
    default: return r | 0xffffff0000000000ull;
  }
}

static int near_exponent = 0x3fff;
static void real80(uint8_t *at) {
  unsigned sign = below(2) << 15;
  if (below(4) == 0) {
    unsigned n = below(SPECIALS);
    put80(at, special[n].significand, sign | special[n].exponent);
    return;
  }
  int exponent;
  switch (below(10)) {
    case 0: exponent = (int)below(0x8000); break;
    case 1: exponent = (int)below(70); break;
    case 2: exponent = 0x7fff - (int)below(70); break;
    case 3: exponent = 0x3fff - 0x3f - 24 + (int)below(60); break;
    case 4: exponent = 0x3ff0 + (int)below(0x60); break;
    case 5: exponent = 0x3c01 - 60 + (int)below(70); break;
    default: exponent = near_exponent + (int)below(141) - 70; break;
  }
  if (exponent < 0) exponent = 0;
  if (exponent > 0x7fff) exponent = 0x7fff;
  uint64_t significand = pattern();
  if (exponent != 0 && below(50)) significand |= TOP;
  if (exponent == 0 && below(2)) significand &= ~TOP;
  if (exponent == 0x7fff && below(3)) exponent--;
  put80(at, significand, sign | (unsigned)exponent);
}

static void real64(uint8_t *at) {
  static const uint64_t values[] = {0, 1, 0xfffffffffffff, 0x10000000000000, 0x3ff0000000000000, 0x7fefffffffffffff, 0x7ff0000000000000, 0x7ff0000000000001, 0x7ff8000000000000, 0x7fffffffffffffff, 0x7ff7ffffffffffff};
  uint64_t v = below(3) ? (pattern() & 0xfffffffffffff) | (uint64_t)(below(4) ? 0x3ff - 70 + below(140) : below(0x800)) << 52 : values[below(11)];
  v |= (uint64_t)below(2) << 63;
  memcpy(at, &v, 8);
}
static void real32(uint8_t *at) {
  static const uint32_t values[] = {0, 1, 0x7fffff, 0x800000, 0x3f800000, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fc00000, 0x7fffffff, 0x7fbfffff};
  uint32_t v = below(3) ? (uint32_t)next64() & 0x7fffffff : values[below(11)];
  v |= below(2) << 31;
  memcpy(at, &v, 4);
}
static void integer(uint8_t *at, int bytes) {
  uint64_t v = below(4) == 0 ? (uint64_t)((int64_t)below(5) - 2) : below(4) == 0 ? TOP >> (64 - bytes * 8) : pattern();
  memcpy(at, &v, bytes);
}
static void decimal(uint8_t *at) {
  for (int n = 0; n < 10; n++) at[n] = below(20) == 0 ? (uint8_t)next64() : (uint8_t)(below(10) << 4 | below(10));
  if (below(3)) memset(at + 9 - below(9), 0, 1);
  if (below(3)) at[9] = below(2) ? 0x80 : 0;
}

enum kind { REGISTER, M32, M64, M80, I16, I32, I64, BCD };
struct instruction { const char *group; uint8_t first, second; enum kind kind; int ranged; };
#define OPS(first, base, kind) {"arithmetic", first, base + 0x02, kind, 0}, {"arithmetic", first, base + 0x0a, kind, 0}, {"arithmetic", first, base + 0x22, kind, 0}, \
  {"arithmetic", first, base + 0x2a, kind, 0}, {"arithmetic", first, base + 0x32, kind, 0}, {"arithmetic", first, base + 0x3a, kind, 0}
#define STACK(first) {"arithmetic", first, 0xc0, REGISTER, 8}, {"arithmetic", first, 0xc8, REGISTER, 8}, {"arithmetic", first, 0xe0, REGISTER, 8}, \
  {"arithmetic", first, 0xe8, REGISTER, 8}, {"arithmetic", first, 0xf0, REGISTER, 8}, {"arithmetic", first, 0xf8, REGISTER, 8}
static const struct instruction instructions[] = {
  OPS(0xd8, 0, M32), OPS(0xdc, 0, M64), OPS(0xda, 0, I32), OPS(0xde, 0, I16), STACK(0xd8), STACK(0xdc), STACK(0xde), {"arithmetic", 0xd9, 0xfa, REGISTER, 0},
  {"arithmetic", 0xd9, 0xfa, REGISTER, 0}, {"arithmetic", 0xd9, 0xfa, REGISTER, 0}, {"arithmetic", 0xd9, 0xfa, REGISTER, 0},
  {"compare", 0xd8, 0x12, M32, 0}, {"compare", 0xd8, 0x1a, M32, 0}, {"compare", 0xdc, 0x12, M64, 0}, {"compare", 0xdc, 0x1a, M64, 0},
  {"compare", 0xda, 0x12, I32, 0}, {"compare", 0xda, 0x1a, I32, 0}, {"compare", 0xde, 0x12, I16, 0}, {"compare", 0xde, 0x1a, I16, 0},
  {"compare", 0xd8, 0xd0, REGISTER, 8}, {"compare", 0xd8, 0xd8, REGISTER, 8}, {"compare", 0xdd, 0xe0, REGISTER, 8}, {"compare", 0xdd, 0xe8, REGISTER, 8},
  {"compare", 0xde, 0xd9, REGISTER, 0}, {"compare", 0xda, 0xe9, REGISTER, 0}, {"compare", 0xdb, 0xe8, REGISTER, 8}, {"compare", 0xdb, 0xf0, REGISTER, 8},
  {"compare", 0xdf, 0xe8, REGISTER, 8}, {"compare", 0xdf, 0xf0, REGISTER, 8}, {"compare", 0xd9, 0xe4, REGISTER, 0}, {"compare", 0xd9, 0xe5, REGISTER, 0},
  {"compare", 0xdc, 0xd0, REGISTER, 8}, {"compare", 0xdc, 0xd8, REGISTER, 8}, {"compare", 0xde, 0xd0, REGISTER, 8},
  {"transfer", 0xd9, 0x02, M32, 0}, {"transfer", 0xdd, 0x02, M64, 0}, {"transfer", 0xdb, 0x2a, M80, 0}, {"transfer", 0xdf, 0x02, I16, 0}, {"transfer", 0xdb, 0x02, I32, 0}, {"transfer", 0xdf, 0x2a, I64, 0},
  {"transfer", 0xd9, 0xc0, REGISTER, 8}, {"transfer", 0xd9, 0xc8, REGISTER, 8}, {"transfer", 0xdd, 0xd0, REGISTER, 8}, {"transfer", 0xdd, 0xd8, REGISTER, 8},
  {"transfer", 0xda, 0xc0, REGISTER, 32}, {"transfer", 0xdb, 0xc0, REGISTER, 32}, {"transfer", 0xd9, 0xe0, REGISTER, 0}, {"transfer", 0xd9, 0xe1, REGISTER, 0},
  {"transfer", 0xd9, 0xe8, REGISTER, 7}, {"transfer", 0xd9, 0xf6, REGISTER, 2}, {"transfer", 0xdd, 0xc0, REGISTER, 8}, {"transfer", 0xd9, 0xd0, REGISTER, 0},
  {"transfer", 0xdf, 0xc0, REGISTER, 8}, {"transfer", 0xd9, 0xd8, REGISTER, 8}, {"transfer", 0xdd, 0xc8, REGISTER, 8}, {"transfer", 0xdf, 0xc8, REGISTER, 24},
  {"store", 0xd9, 0x12, M32, 0}, {"store", 0xd9, 0x1a, M32, 0}, {"store", 0xdd, 0x12, M64, 0}, {"store", 0xdd, 0x1a, M64, 0}, {"store", 0xdb, 0x3a, M80, 0},
  {"store", 0xdf, 0x12, I16, 0}, {"store", 0xdf, 0x1a, I16, 0}, {"store", 0xdb, 0x12, I32, 0}, {"store", 0xdb, 0x1a, I32, 0}, {"store", 0xdf, 0x3a, I64, 0},
  {"store", 0xd9, 0xfc, REGISTER, 0},
  {"truncate", 0xdb, 0x0a, I32, 0}, {"truncate", 0xdd, 0x0a, I64, 0}, {"truncate", 0xdf, 0x0a, I16, 0},
  {"other", 0xdf, 0x22, BCD, 0}, {"other", 0xdf, 0x32, BCD, 0}, {"other", 0xd9, 0xf4, REGISTER, 0}, {"other", 0xd9, 0xf5, REGISTER, 0}, {"other", 0xd9, 0xf8, REGISTER, 0}, {"other", 0xd9, 0xfd, REGISTER, 0},
  {"transcendental", 0xd9, 0xf0, REGISTER, 0}, {"transcendental", 0xd9, 0xf1, REGISTER, 0}, {"transcendental", 0xd9, 0xf2, REGISTER, 0}, {"transcendental", 0xd9, 0xf3, REGISTER, 0},
  {"transcendental", 0xd9, 0xf9, REGISTER, 0}, {"transcendental", 0xd9, 0xfb, REGISTER, 0}, {"transcendental", 0xd9, 0xfe, REGISTER, 0}, {"transcendental", 0xd9, 0xff, REGISTER, 0},
};
#define INSTRUCTIONS (sizeof instructions / sizeof *instructions)

static uint8_t *code;
static struct image input, output;
static uint8_t memory[16] __attribute__((aligned(16)));

/** frstor input; flags; the instruction with rdx = memory; flags; fnsave output. */
static unsigned run(const uint8_t *bytes, unsigned flags) {
  uint8_t *p = code;
  static const uint8_t before[] = {0xdd, 0x27, 0x56, 0x9d}; // frstor [rdi]; push rsi; popfq
  static const uint8_t after[] = {0x9c, 0x58, 0xdd, 0x31, 0xdb, 0xe3, 0xc3}; // pushfq; pop rax; fnsave [rcx]; fninit; ret
  memcpy(p, before, sizeof before);
  memcpy(p + sizeof before, bytes, 4);
  memcpy(p + sizeof before + 4, after, sizeof after);
  unsigned (*call)(struct image *, uint64_t, void *, struct image *) = (void *)code;
  return call(&input, flags, memory, &output);
}

int main(int argc, char **argv) {
  plant(argc > 1 ? argv[1] : "1");
  long count = argc > 2 ? atol(argv[2]) : 1000;
  const char *group = argc > 3 ? argv[3] : "";
  code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (long n = 0; n < count;) {
    const struct instruction *i = &instructions[below(INSTRUCTIONS)];
    if (*group && strcmp(i->group, group)) continue;
    n++;
    struct vector v;
    memset(&v, 0, sizeof v);
    unsigned second = i->second + (i->ranged > 1 ? (below(2) ? 1 + below(i->ranged - 1) : below(i->ranged)) : 0);
    v.code[0] = i->first;
    v.code[1] = (uint8_t)second;
    v.code[2] = v.code[3] = 0x90;
    struct state *s = &v.before;
    unsigned masks = below(3) ? 0x3f : below(64);
    s->control = (uint16_t)(masks | 0x40 | below(16) << 8);
    unsigned top = below(8);
    s->status = (uint16_t)((below(2) ? 0 : (next64() & 0x4700)) | (below(3) ? 0 : (next64() & masks & 0x3f)) | (below(8) ? 0 : masks & 1 ? 0x41 : 0) | top << 11);
    s->flags = (uint16_t)(next64() & STATUS_FLAGS);
    // Mostly operands where they are wanted and room to push; one in eight at random.
    unsigned tags = 0;
    for (unsigned st = 0; st < 8; st++) {
      int empty = below(8) == 0 ? (int)below(2) : st > 6;
      if (i->kind != REGISTER || !(second & 0xc0)) empty = empty && below(2);
      if (empty) tags |= 3u << ((top + st) % 8 * 2);
    }
    s->tags = (uint16_t)tags;
    near_exponent = below(4) ? 0x3fff : (int)below(0x8000);
    for (unsigned st = 0; st < 8; st++) put80(s->st[st], TOP | st << 20, 0x3fff + st);
    real80(s->st[0]);
    real80(s->st[i->kind == REGISTER && i->ranged ? second % 8 : 1]);
    if (i->kind == REGISTER && !i->ranged) real80(s->st[1]);
    switch (i->kind) {
      case M32: real32(s->memory); break;
      case M64: real64(s->memory); break;
      case M80: real80(s->memory); break;
      case I16: integer(s->memory, 2); break;
      case I32: integer(s->memory, 4); break;
      case I64: integer(s->memory, 8); break;
      case BCD: decimal(s->memory); break;
      default: break;
    }
    input.control = s->control;
    input.status = s->status;
    input.tags = s->tags;
    memcpy(input.st, s->st, sizeof s->st);
    memcpy(memory, s->memory, 16);
    v.after.flags = (uint16_t)(run(v.code, s->flags) & STATUS_FLAGS);
    v.after.control = (uint16_t)output.control;
    v.after.status = (uint16_t)output.status;
    v.after.tags = (uint16_t)output.tags;
    memcpy(v.after.st, output.st, sizeof output.st);
    memcpy(v.after.memory, memory, 16);
    fwrite(&v, sizeof v, 1, stdout);
  }
  return 0;
}
