// Loaded into a stack's processes (LD_PRELOAD): Postgres' clock goes as many seconds wrong as the shared page says, and
// workerd's disk is full while it says so. Everything else is as it is.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// [0] seconds that Postgres is ahead · [1] whether workerd's disk is full · [2] writes that were refused for it
static volatile long *page;
static int postgres, workerd;
static int (*real_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("CHINWAG_FAULTS");
  int file = path ? open(path, O_RDWR) : -1;
  int shared = file >= 0 ? PROT_READ | PROT_WRITE : PROT_READ;
  if (path && file < 0) file = open(path, O_RDONLY);  // Postgres runs as nobody.
  if (file < 0) return;
  void *mapped = mmap(0, 4096, shared, MAP_SHARED, file, 0);
  close(file);
  postgres = !strcmp(program_invocation_short_name, "postgres");
  workerd = !strcmp(program_invocation_short_name, "workerd");
  real_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  if (mapped != MAP_FAILED) page = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  int result = real_clock ? real_clock(clock, time) : (int)syscall(SYS_clock_gettime, clock, time);
  if (!result && postgres && page && clock == CLOCK_REALTIME) time->tv_sec += page[0];
  return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}

// A file may shrink on a full disk, and be written where it is already; SQLite's log only grows, so any write is refused.
static int full(int file, off64_t size) {
  struct stat what;
  if (!workerd || !page || !page[1] || fstat(file, &what) || !S_ISREG(what.st_mode)) return 0;
  if (size >= 0 && size <= what.st_size) return 0;
  page[2]++;
  errno = ENOSPC;
  return 1;
}

ssize_t write(int file, const void *bytes, size_t count) {
  return full(file, -1) ? -1 : syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
  return full(file, -1) ? -1 : syscall(SYS_pwrite64, file, bytes, count, at);
}

int ftruncate64(int file, off64_t size) { return full(file, size) ? -1 : (int)syscall(SYS_ftruncate, file, size); }

int fallocate64(int file, int mode, off64_t at, off64_t size) {
  return full(file, -1) ? -1 : (int)syscall(SYS_fallocate, file, mode, at, size);
}
