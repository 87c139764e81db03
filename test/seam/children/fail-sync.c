// Loaded before libc: every sync fails with EIO while the file that MILLRACE_FAIL names exists.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int Fails(void) {
  const char* const name = getenv("MILLRACE_FAIL");
  if (name == NULL || access(name, F_OK) != 0) {
    return 0;
  }
  errno = EIO;
  return 1;
}

int fdatasync(int fd) {
  int (*const real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  return Fails() ? -1 : real(fd);
}

int msync(void* at, size_t bytes, int flags) {
  int (*const real)(void*, size_t, int) =
      (int (*)(void*, size_t, int))dlsym(RTLD_NEXT, "msync");
  return Fails() ? -1 : real(at, bytes, flags);
}
