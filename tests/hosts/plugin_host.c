/* A host for one plugin, LV2 or (with -DCLAP, -DVST3) another format, that watches what its audio thread does.

   plugin_host FILE ENGINE_PORT BLOCKS ROLLS [guilty]

   Each block of 256 frames is called for at its time. What the plugin plays it hears in the next block, one control moves all
   the time, and with ROLLS 1 the transport rolls at 120 in the middle half. In the audio thread every allocation and
   every lock is counted, and any system call but reading the clock and the sleep between blocks ends the process
   (seccomp, SIGSYS). "guilty" does what is forbidden (1 frees, 2 locks, 3 calls the system), to show that it is seen. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FRAMES 256
#define RATE 48000
#define MOST 1024 /* notes in a block */

/* ---- what is counted: this program's functions stand before those of the C library ---- */

static _Thread_local bool inside;
static atomic_uint allocations, locks;

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static void allocated(void) {
  if (inside) atomic_fetch_add(&allocations, 1);
}

void *malloc(size_t size) { return allocated(), __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return allocated(), __libc_calloc(count, size); }
void *realloc(void *at, size_t size) { return allocated(), __libc_realloc(at, size); }
void *aligned_alloc(size_t to, size_t size) { return allocated(), __libc_memalign(to, size); }
void free(void *at) { allocated(), __libc_free(at); }
int posix_memalign(void **at, size_t to, size_t size) {
  allocated();
  return (*at = __libc_memalign(to, size)) ? 0 : ENOMEM;
}

#define LOCK(name, type)                                          \
  int name(type *lock) {                                          \
    static int (*real)(type *);                                   \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);         \
    if (inside) atomic_fetch_add(&locks, 1);                      \
    return real(lock);                                            \
  }
LOCK(pthread_mutex_lock, pthread_mutex_t)
LOCK(pthread_mutex_trylock, pthread_mutex_t)
LOCK(pthread_spin_lock, pthread_spinlock_t)
LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)
LOCK(sem_wait, sem_t)

/* No system call but reading the clock, and sleeping by a clock that only the loop below sleeps by. */
static void forbid(void) {
  struct sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 3, 0), /* a sleep that a stop has cut */
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_nanosleep, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLOCK_BOOTTIME, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
  const struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
    puts("no seccomp");
    _exit(77);
  }
}

/* ---- the plugin, in its format ---- */

typedef struct { uint32_t frame; uint8_t bytes[3]; } Midi;
static Midi now_in[MOST], now_out[MOST];
static int count_in, count_out;

#if defined CLAP
#include "host_clap.h"
#elif defined VST3
#include "host_vst3.h"
#else
#include "host_lv2.h"
#endif

/* ---- the host ---- */

static int blocks, guilty;
static bool rolls;
static atomic_int done, there;
static atomic_uint notes, longest_ns;

static void *volatile kept_from_the_compiler; /* nothing, but it cannot know */

_Noreturn static void *audio(void *data) {
  (void)data;
  struct timespec at, begin, end;
  bool sounding[128] = {0};
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  ready();
  forbid();
  clock_gettime(CLOCK_BOOTTIME, &at);
  double beat = 0;
  for (int block = 0; block < blocks; block++) {
    const bool rolling = rolls && block >= blocks / 4 && block < 3 * blocks / 4;
    count_out = 0;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    inside = true;
    call(rolling, beat, 0.5 + (block % 100) / 100.0);
    if (guilty == 1 && block == 9) free(kept_from_the_compiler);
    if (guilty == 2 && block == 9) pthread_mutex_lock(&lock);
    if (guilty == 3 && block == 9) getppid();
    inside = false;
    clock_gettime(CLOCK_MONOTONIC, &end);
    const unsigned took = (unsigned)((end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec - begin.tv_nsec);
    if (took > longest_ns) longest_ns = took;
    for (int i = 0; i < count_out; i++) sounding[now_out[i].bytes[1]] = now_out[i].bytes[0] == 0x90, notes += now_out[i].bytes[0] == 0x90;
    memcpy(now_in, now_out, sizeof now_in);
    count_in = count_out;
    there = connected();
    if (rolling) beat += FRAMES * 120.0 / 60 / RATE;
    at.tv_nsec += FRAMES * 1000000000LL / RATE;
    if (at.tv_nsec >= 1000000000) at.tv_sec++, at.tv_nsec -= 1000000000;
    clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &at, NULL);
  }
  int open = 0;
  for (int i = 0; i < 128; i++) open += sounding[i];
  done = 1 + open;
  for (;;) clock_nanosleep(CLOCK_BOOTTIME, 0, &(struct timespec){9, 0}, NULL); /* ending would be a system call */
}

int main(int count, char **words) {
  if (count < 5) return fprintf(stderr, "plugin_host FILE ENGINE_PORT BLOCKS ROLLS [1|2|3]\n"), 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  blocks = atoi(words[3]), rolls = atoi(words[4]), guilty = count > 5 ? atoi(words[5]) : 0;
  pthread_mutex_t bind = PTHREAD_MUTEX_INITIALIZER; /* finds the real functions before the audio thread needs them */
  pthread_mutex_lock(&bind), pthread_mutex_unlock(&bind);
  if (!load(words[1], atoi(words[2]), rolls)) return fprintf(stderr, "%s was not loaded\n", words[1]), 1;
  pthread_t thread;
  pthread_create(&thread, NULL, audio, NULL);
  puts("running");
  for (int before = 0; !done; usleep(20000))
    if (there != before) printf("connected %d\n", before = there);
  printf("blocks %d notes %u allocations %u locks %u open %d longest %u us\n", blocks, notes, allocations, locks, done - 1, longest_ns / 1000);
  unload();
  _exit(0);
}
