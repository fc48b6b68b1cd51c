/* Runs single instructions natively in a 32-bit process and reports the state after each.

   gcc -m32 -O2 -ffreestanding -fno-pic -fno-stack-protector -nostdlib -static -no-pie -o silicon silicon.c   (x86-64 or i386 Linux)

   One signal is one case: the handler notes the interrupted context as the outcome of the case before, writes the next
   case's registers and segment selectors into the signal frame, and returns; sigreturn loads them all. The case ends at
   its own fault or at an INT3, with which the code region is filled. Vector, error code and CR2 come from the frame.
   No C library: its thread pointer would be lost with FS and GS. The protocol on stdin and stdout is 32-bit words, little-endian:

     in:  regions, each { address, bytes, protection (1 read, 2 write, 4 execute), contents... }, preceded by their number
          descriptors, each a struct user_desc for modify_ldt, preceded by their number
          batches, each { bytes, cases... }, until the end of the input; the answer to a batch comes when it is done
     case: eax ecx edx ebx esp ebp esi edi eip eflags es cs ss ds fs gs, floating (1: a floating state follows), patches, each { address, bytes, contents padded to words }
     floating state: struct floating, in the words of float-state.ts; without one the case has whatever the case before it left
     out: { bytes, outcomes... } for a batch
     outcome: registers as in the case, vector, error code, cr2, the floating state if the case had one, runs of changed bytes, each { address, bytes, contents padded }
   Vector 255: the instruction was still running after a second of processor time. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

enum { SYS_EXIT = 1, SYS_READ = 3, SYS_WRITE = 4, SYS_OLD_MMAP = 90, SYS_SETITIMER = 104, SYS_MODIFY_LDT = 123, SYS_MPROTECT = 125, SYS_RT_SIGACTION = 174, SYS_SIGALTSTACK = 186 };
enum { SIGILL = 4, SIGTRAP = 5, SIGBUS = 7, SIGFPE = 8, SIGSEGV = 11, SIGVTALRM = 26 };
enum { SA_SIGINFO = 4, SA_RESTORER = 0x04000000, SA_ONSTACK = 0x08000000, SA_RESTART = 0x10000000, SA_NODEFER = 0x40000000 };
enum { PROT_WRITE = 2, MAP_PRIVATE_FIXED_ANONYMOUS = 0x32, ITIMER_VIRTUAL = 1, STILL_RUNNING = 255 };
enum { MAX_REGIONS = 64, MAX_PATCHES = 16, REGION_ROOM = 1 << 18, BATCH_ROOM = 1 << 22, ANSWER_ROOM = 1 << 23, ALTSTACK = 1 << 18 };
enum { EFLAGS_NT = 0x4000, EFLAGS_ID = 0x200000 };

struct frame { /* struct ucontext of the i386 ABI as far as it is needed */
  u32 flags, link, stack[3];
  u32 gs, fs, es, ds, edi, esi, ebp, esp, ebx, edx, ecx, eax, vector, error, eip, cs, eflags, esp_at_signal, ss, fpstate, oldmask, cr2;
};

struct floating { u32 control, status, tags, instruction, operand, opcode, mxcsr; u8 st[8][10], xmm[8][16]; };
/* struct _fpstate_32 of the i386 ABI: an FSAVE image, which is what counts for the x87 at sigreturn, and behind it one of FXSAVE. */
struct fpstate {
  u32 control, status, tags, ip, cs, dp, ds;
  u8 st[8][10];
  u16 status_again, magic;
  struct { u16 control, status; u8 tags, reserved; u16 opcode; u32 ip, cs, dp, ds, mxcsr, mask; u8 st[8][16], xmm[8][16], none[176]; u32 extension; } fx;
};

struct region { u32 address, bytes, protection; u8 *before, *pristine; };

static struct region regions[MAX_REGIONS];
static u32 region_count, pool_used, batch_bytes, answer_bytes, patch_count, ran;
static int in_case, floats;
static struct { u32 address, bytes; } patches[MAX_PATCHES];
static u8 pool[2 * REGION_ROOM] __attribute__((aligned(64)));
static u8 batch[BATCH_ROOM] __attribute__((aligned(4)));
static u8 answer[ANSWER_ROOM] __attribute__((aligned(4)));
static u8 altstack[ALTSTACK] __attribute__((aligned(64)));
static u32 batch_at;
/* Flags that sigreturn takes from the caller and not from the frame. */
u32 caller_flags = 0x202;

static int call(int number, u32 a, u32 b, u32 c, u32 d, u32 e) {
  int result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
  return result;
}
static void __attribute__((noreturn)) stop(int status) { for (;;) call(SYS_EXIT, status, 0, 0, 0, 0); }
static void fail(const char *text) {
  u32 n = 0;
  while (text[n]) n++;
  call(SYS_WRITE, 2, (u32)text, n, 0, 0);
  stop(2);
}
static void copy(void *to, const void *from, u32 n) { __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory"); }
/* False at the end of the input. */
static int receive(void *to, u32 n) {
  for (u32 done = 0; done < n;) {
    int got = call(SYS_READ, 0, (u32)to + done, n - done, 0, 0);
    if (got <= 0) return 0;
    done += got;
  }
  return 1;
}
static void send(const void *from, u32 n) {
  for (u32 done = 0; done < n;) {
    int put = call(SYS_WRITE, 1, (u32)from + done, n - done, 0, 0);
    if (put <= 0) stop(3);
    done += put;
  }
}
static u32 word(void) {
  u32 value;
  if (!receive(&value, 4)) fail("silicon: input ends too early\n");
  return value;
}

static struct region *region_of(u32 address) {
  for (u32 i = 0; i < region_count; i++) if (address - regions[i].address < regions[i].bytes) return regions + i;
  fail("silicon: patch outside of the regions\n");
  return 0;
}

static void put(u32 value) { *(u32 *)(answer + answer_bytes) = value; answer_bytes += 4; }

/* Reports the bytes that the case changed, and takes them back. */
static void note_changes(void) {
  u32 *runs = (u32 *)(answer + answer_bytes), count = 0;
  put(0);
  for (struct region *r = regions; r < regions + region_count; r++) {
    if (!(r->protection & PROT_WRITE)) continue;
    u8 *now = (u8 *)r->address, *before = r->before;
    for (u32 block = 0; block < r->bytes; block += 256) {
      u32 differs = 0;
      for (u32 i = 0; i < 64; i++) differs |= ((u32 *)(now + block))[i] ^ ((u32 *)(before + block))[i];
      if (!differs) continue;
      for (u32 i = block; i < block + 256;) {
        if (now[i] == before[i]) { i++; continue; }
        u32 from = i;
        while (i < block + 256 && now[i] != before[i]) i++;
        put(r->address + from);
        put(i - from);
        copy(answer + answer_bytes, now + from, i - from);
        answer_bytes += (i - from + 3) & ~3;
        copy(now + from, before + from, i - from);
        count++;
      }
    }
  }
  *runs = count;
}

/* Without the mark of an extended state sigreturn takes what is here and nothing else. */
static void load_floating(struct fpstate *to, const struct floating *from) {
  to->control = to->fx.control = from->control;
  to->status = to->fx.status = from->status;
  to->tags = 0;
  for (u32 i = 0; i < 8; i++) if (!(from->tags >> i & 1)) to->tags |= 3 << 2 * i;
  to->ip = from->instruction;
  to->cs = from->opcode << 16;
  to->dp = from->operand;
  to->ds = 0;
  copy(to->st, from->st, sizeof from->st);
  to->fx.mxcsr = from->mxcsr;
  copy(to->fx.xmm, from->xmm, sizeof from->xmm);
  to->fx.extension = 0;
}

static void put_floating(const struct fpstate *from) {
  struct floating *to = (struct floating *)(answer + answer_bytes);
  answer_bytes += sizeof *to;
  to->control = from->fx.control;
  to->status = from->fx.status;
  to->tags = from->fx.tags;
  to->instruction = from->fx.ip;
  to->operand = from->fx.dp;
  to->opcode = from->fx.opcode;
  to->mxcsr = from->fx.mxcsr;
  for (u32 i = 0; i < 8; i++) copy(to->st[i], from->fx.st[i], 10);
  copy(to->xmm, from->fx.xmm, sizeof to->xmm);
}

static void finish_case(struct frame *f) {
  put(f->eax); put(f->ecx); put(f->edx); put(f->ebx); put(f->esp); put(f->ebp); put(f->esi); put(f->edi);
  put(f->eip); put(f->eflags); put(f->es & 0xffff); put(f->cs & 0xffff); put(f->ss & 0xffff); put(f->ds & 0xffff); put(f->fs & 0xffff); put(f->gs & 0xffff);
  put(f->vector); put(f->error); put(f->cr2);
  if (floats) put_floating((struct fpstate *)f->fpstate);
  note_changes();
  for (u32 i = 0; i < patch_count; i++) {
    struct region *r = region_of(patches[i].address);
    u32 offset = patches[i].address - r->address;
    copy(r->before + offset, r->pristine + offset, patches[i].bytes);
    copy((u8 *)r->address + offset, r->pristine + offset, patches[i].bytes);
  }
  ran++;
}

static void next_batch(void) {
  if (answer_bytes) {
    *(u32 *)answer = answer_bytes - 4;
    send(answer, answer_bytes);
  }
  answer_bytes = 4;
  batch_at = 0;
  if (!receive(&batch_bytes, 4)) stop(0);
  if (batch_bytes > BATCH_ROOM || !receive(batch, batch_bytes)) fail("silicon: bad batch\n");
}

static void begin_case(struct frame *f) {
  while (batch_at == batch_bytes) next_batch();
  if (answer_bytes > ANSWER_ROOM - REGION_ROOM) fail("silicon: batch too large\n");
  u32 *w = (u32 *)(batch + batch_at);
  f->eax = w[0]; f->ecx = w[1]; f->edx = w[2]; f->ebx = w[3]; f->esp = w[4]; f->ebp = w[5]; f->esi = w[6]; f->edi = w[7];
  f->eip = w[8]; f->eflags = w[9];
  f->es = w[10]; f->cs = w[11]; f->ss = w[12]; f->ds = w[13]; f->fs = w[14]; f->gs = w[15];
  caller_flags = 0x202 | (w[9] & (EFLAGS_NT | EFLAGS_ID));
  floats = w[16];
  w += 17;
  if (floats) {
    load_floating((struct fpstate *)f->fpstate, (struct floating *)w);
    w += sizeof(struct floating) / 4;
  }
  patch_count = *w++;
  if (patch_count > MAX_PATCHES) fail("silicon: too many patches\n");
  for (u32 i = 0; i < patch_count; i++) {
    struct region *r = region_of(w[0]);
    u32 offset = w[0] - r->address;
    if (offset + w[1] > r->bytes || !(r->protection & PROT_WRITE)) fail("silicon: patch of a region that cannot be patched\n");
    patches[i].address = w[0];
    patches[i].bytes = w[1];
    copy(r->before + offset, w + 2, w[1]);
    copy((u8 *)r->address + offset, w + 2, w[1]);
    w += 2 + (w[1] + 3) / 4;
  }
  batch_at = (u32)w - (u32)batch;
}

static int started;

__attribute__((used)) void on_signal(int signal, void *info, struct frame *f) {
  static u32 ran_at_last_tick;
  (void)info;
  if (signal == SIGVTALRM) {
    int stuck = in_case && ran == ran_at_last_tick;
    ran_at_last_tick = ran;
    if (!stuck) return;
    f->vector = STILL_RUNNING;
  } else if (started && !in_case) fail("silicon: fault outside of a case\n");
  in_case = 0;
  if (started) finish_case(f);
  started = 1;
  begin_case(f);
  in_case = 1;
}

/* The case's AC and NT would be in force in the handler; both frames are on the alternate stack. */
extern u8 entry[], restorer[];
__asm__(
  ".globl entry\nentry:\n"
  "  pushfl\n  andl $~0x44000, (%esp)\n  popfl\n"
  "  movl 4(%esp), %eax\n  movl 12(%esp), %ecx\n  subl $8, %esp\n  pushl %ecx\n  pushl $0\n  pushl %eax\n  call on_signal\n  addl $20, %esp\n  ret\n"
  ".globl restorer\nrestorer:\n"
  "  pushl caller_flags\n  popfl\n  movl $173, %eax\n  int $0x80\n"
  ".globl _start\n_start:\n  andl $-16, %esp\n  call start\n  hlt\n");

static void catch(int signal) {
  struct { void *handler; u32 flags; void *restorer; u32 mask[2]; } action = { entry, SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_RESTART | SA_NODEFER, restorer, { 0, 0 } };
  if (call(SYS_RT_SIGACTION, signal, (u32)&action, 0, 8, 0)) fail("silicon: sigaction\n");
}

__attribute__((used)) void start(void) {
  region_count = word();
  if (region_count > MAX_REGIONS) fail("silicon: too many regions\n");
  for (u32 i = 0; i < region_count; i++) {
    struct region *r = regions + i;
    r->address = word();
    r->bytes = word();
    r->protection = word();
    if (pool_used + 2 * r->bytes > sizeof pool) fail("silicon: regions too large\n");
    r->before = pool + pool_used;
    r->pristine = r->before + r->bytes;
    pool_used += 2 * r->bytes;
    /* This call takes its arguments in memory. */
    u32 map[6] = { r->address, r->bytes, 3, MAP_PRIVATE_FIXED_ANONYMOUS, (u32)-1, 0 };
    if (call(SYS_OLD_MMAP, (u32)map, 0, 0, 0, 0) != (int)r->address) fail("silicon: mmap\n");
    if (!receive(r->before, r->bytes)) fail("silicon: input ends too early\n");
    copy(r->pristine, r->before, r->bytes);
    copy((u8 *)r->address, r->before, r->bytes);
    if (call(SYS_MPROTECT, r->address, r->bytes, r->protection, 0, 0)) fail("silicon: mprotect\n");
  }
  for (u32 i = word(); i > 0; i--) {
    u32 descriptor[4];
    if (!receive(descriptor, sizeof descriptor)) fail("silicon: input ends too early\n");
    if (call(SYS_MODIFY_LDT, 1, (u32)descriptor, sizeof descriptor, 0, 0)) fail("silicon: modify_ldt\n");
  }
  struct { void *at; int flags; u32 bytes; } stack = { altstack, 0, sizeof altstack };
  if (call(SYS_SIGALTSTACK, (u32)&stack, 0, 0, 0, 0)) fail("silicon: sigaltstack\n");
  static const u8 signals[] = { SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGVTALRM };
  for (u32 i = 0; i < sizeof signals; i++) catch(signals[i]);
  u32 timer[4] = { 1, 0, 1, 0 };
  if (call(SYS_SETITIMER, ITIMER_VIRTUAL, (u32)timer, 0, 0, 0)) fail("silicon: setitimer\n");
  __asm__ volatile("int3");
}
