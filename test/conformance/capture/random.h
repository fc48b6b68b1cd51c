// Numbers for the captures, the same ones for the same seed (xorshift*), and what of EFLAGS they look at.

#include <stdint.h>
#include <stdlib.h>

/** OF, SF, ZF, AF, PF, CF. */
#define STATUS_FLAGS 0x8d5u

static uint64_t seed;
static void plant(const char *text) { seed = strtoull(text, 0, 0) * 0x9e3779b97f4a7c15ull | 1; }

static uint64_t next64(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed * 0x2545f4914f6cdd1dull;
}

static unsigned below(unsigned n) { return (unsigned)((next64() >> 33) % n); }
