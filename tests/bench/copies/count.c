/* Counts what a process allocates and copies, into the file that KINETES_COUNTS names. `run` preloads it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* The file, as shard-server/benches/copies/counts.rs reads it. */
struct counts {
  uint64_t allocations, allocated_bytes, copies, copied_bytes;
};

static struct counts before_the_file;
static struct counts *counts = &before_the_file;

typedef void *copy(void *, const void *, size_t);
static copy *real_memcpy, *real_memmove;

__attribute__((constructor)) static void begin(void) {
  real_memcpy = (copy *)dlsym(RTLD_NEXT, "memcpy");
  real_memmove = (copy *)dlsym(RTLD_NEXT, "memmove");
  const char *path = getenv("KINETES_COUNTS");
  int file = path ? open(path, O_RDWR) : -1;
  if (file < 0 || ftruncate(file, sizeof *counts) != 0) return;
  void *shared = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (shared != MAP_FAILED) counts = shared;
}

static void count(uint64_t *calls, uint64_t *bytes, size_t size) {
  __atomic_fetch_add(calls, 1, __ATOMIC_RELAXED);
  __atomic_fetch_add(bytes, size, __ATOMIC_RELAXED);
}

static void allocates(size_t size) { count(&counts->allocations, &counts->allocated_bytes, size); }

static void copies(size_t size) { count(&counts->copies, &counts->copied_bytes, size); }

/* What the loader copies before `begin`. */
static void *copy_slowly(void *to, const void *from, size_t size) {
  volatile char *target = to;
  const char *source = from;
  if (to < from)
    for (size_t at = 0; at < size; at++) target[at] = source[at];
  else
    for (size_t at = size; at > 0; at--) target[at - 1] = source[at - 1];
  return to;
}

void *memcpy(void *to, const void *from, size_t size) {
  copies(size);
  return (real_memcpy ? real_memcpy : copy_slowly)(to, from, size);
}

void *memmove(void *to, const void *from, size_t size) {
  copies(size);
  return (real_memmove ? real_memmove : copy_slowly)(to, from, size);
}

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) {
  allocates(size);
  return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
  allocates(number * size);
  return __libc_calloc(number, size);
}

/* A block that moves is copied; one that was mapped for itself moves without. */
void *realloc(void *block, size_t size) {
  size_t had = block ? malloc_usable_size(block) : 0;
  int is_mapped = block && (((size_t *)block)[-1] & 2) != 0;
  void *now = __libc_realloc(block, size);
  allocates(size);
  if (had > 0 && now && now != block && !is_mapped) copies(had < size ? had : size);
  return now;
}

void *memalign(size_t alignment, size_t size) {
  allocates(size);
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
  *block = memalign(alignment, size);
  return *block ? 0 : ENOMEM;
}
