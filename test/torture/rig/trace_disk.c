// An nbdkit plugin: a disk that keeps a diary, and that breaks on request.
//
//   nbdkit ./trace_disk.so disk=FILE [trace=FILE] [fault=FILE]
//
// disk: the content, a regular file that is mapped shared. What it holds after the plugin has ended
// is exactly what the disk holds; there is no cache in between.
//
// trace: every request that changes the disk is appended to this file before it is answered, so the
// length of the file is a clock: what a program has been told is durable lies in the trace up to
// its length at that moment. Integers are little-endian.
//
//   'W' u64 offset, u32 length, bytes     a write
//   'F'                                   a flush: everything before it is durable
//
// fault: while this file exists, requests are counted from 1 and fail with EIO as its one line says:
//
//   write|flush|any N once|stay
//
// `stay` fails every later request of the kind too, until the file is removed. The first failure
// creates FILE.fired, which tells a test that its N was reached.
//
// Requests are serialised, so the plugin needs no lock.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_SERIALIZE_ALL_REQUESTS

enum { FAULT_WRITE = 1, FAULT_FLUSH = 2 };

static char *disk_path, *trace_path, *fault_path;
static uint8_t* disk;
static uint64_t disk_bytes;
static int trace_fd = -1;

static struct {
  bool armed;
  bool stays;
  int kinds;  // FAULT_WRITE | FAULT_FLUSH
  uint64_t at;
  uint64_t seen;
} fault;

static int trace_config(const char* key, const char* value) {
  char** slot = strcmp(key, "disk") == 0    ? &disk_path
                : strcmp(key, "trace") == 0 ? &trace_path
                : strcmp(key, "fault") == 0 ? &fault_path
                                            : NULL;
  if (slot == NULL) {
    nbdkit_error("unknown parameter '%s': disk, trace and fault are known", key);
    return -1;
  }
  free(*slot);
  *slot = nbdkit_absolute_path(value);
  return *slot == NULL ? -1 : 0;
}

static int trace_config_complete(void) {
  if (disk_path == NULL) {
    nbdkit_error("disk=FILE is missing");
    return -1;
  }
  return 0;
}

static int trace_get_ready(void) {
  struct stat status;
  int fd = open(disk_path, O_RDWR | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) != 0 || status.st_size == 0) {
    nbdkit_error("%s: %s", disk_path, fd < 0 ? strerror(errno) : "no content");
    return -1;
  }
  disk_bytes = (uint64_t)status.st_size;
  disk = mmap(NULL, disk_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (disk == MAP_FAILED) {
    nbdkit_error("%s: mmap: %m", disk_path);
    return -1;
  }
  if (trace_path != NULL) {
    trace_fd = open(trace_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (trace_fd < 0) {
      nbdkit_error("%s: %m", trace_path);
      return -1;
    }
  }
  return 0;
}

static void* trace_open(int readonly) {
  (void)readonly;
  return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t trace_get_size(void* handle) {
  (void)handle;
  return (int64_t)disk_bytes;
}

// Without this answer no flush would ever arrive and every cut would lose everything.
static int trace_can_flush(void* handle) {
  (void)handle;
  return 1;
}

// A line that cannot be read breaks nothing silently: it fails every request, which no test
// expects.
static void arm_fault(int fd) {
  char line[64] = {0}, kind[16] = {0}, mode[16] = {0};
  fault.armed = true;
  fault.stays = true;
  fault.kinds = FAULT_WRITE | FAULT_FLUSH;
  fault.at = 1;
  fault.seen = 0;
  if (read(fd, line, sizeof line - 1) > 0 &&
      sscanf(line, "%15s %" SCNu64 " %15s", kind, &fault.at, mode) == 3) {
    fault.stays = strcmp(mode, "stay") == 0;
    if (strcmp(kind, "write") == 0)
      fault.kinds = FAULT_WRITE;
    if (strcmp(kind, "flush") == 0)
      fault.kinds = FAULT_FLUSH;
  }
}

static void note_fired(void) {
  char path[4096];
  snprintf(path, sizeof path, "%s.fired", fault_path);
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0)
    close(fd);
}

static bool must_fail(int kind) {
  if (fault_path == NULL)
    return false;
  int fd = open(fault_path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    fault.armed = false;
    return false;
  }
  if (!fault.armed)
    arm_fault(fd);
  close(fd);
  if ((fault.kinds & kind) == 0)
    return false;
  fault.seen++;
  if (fault.seen < fault.at || (fault.seen > fault.at && !fault.stays))
    return false;
  if (fault.seen == fault.at)
    note_fired();
  return true;
}

static int append_trace(const struct iovec* parts, int count) {
  size_t bytes = 0;
  for (int i = 0; i < count; i++) bytes += parts[i].iov_len;
  if (writev(trace_fd, parts, count) != (ssize_t)bytes) {
    nbdkit_error("%s: the trace is cut short: %m", trace_path);
    return -1;
  }
  return 0;
}

static int trace_pread(void* handle, void* data, uint32_t count, uint64_t offset, uint32_t flags) {
  (void)handle;
  (void)flags;
  memcpy(data, disk + offset, count);
  return 0;
}

static int trace_pwrite(void* handle, const void* data, uint32_t count, uint64_t offset,
                        uint32_t flags) {
  (void)handle;
  (void)flags;
  if (must_fail(FAULT_WRITE)) {
    nbdkit_set_error(EIO);
    return -1;
  }
  memcpy(disk + offset, data, count);
  if (trace_fd < 0)
    return 0;
  uint8_t head[13] = {'W'};
  memcpy(head + 1, &offset, sizeof offset);
  memcpy(head + 9, &count, sizeof count);
  const struct iovec parts[] = {{head, sizeof head}, {(void*)data, count}};
  return append_trace(parts, 2);
}

static int trace_flush(void* handle, uint32_t flags) {
  (void)handle;
  (void)flags;
  if (must_fail(FAULT_FLUSH)) {
    nbdkit_set_error(EIO);
    return -1;
  }
  if (trace_fd < 0)
    return 0;
  const struct iovec parts[] = {{(void*)"F", 1}};
  return append_trace(parts, 1);
}

static struct nbdkit_plugin plugin = {
    .name = "trace-disk",
    .version = "1",
    .longname = "a disk that records its writes and fails on request",
    .config = trace_config,
    .config_complete = trace_config_complete,
    .config_help =
        "disk=FILE  (required) the content\n"
        "trace=FILE            every write and flush is appended\n"
        "fault=FILE            while it exists: write|flush|any N once|stay",
    .get_ready = trace_get_ready,
    .open = trace_open,
    .get_size = trace_get_size,
    .can_flush = trace_can_flush,
    .pread = trace_pread,
    .pwrite = trace_pwrite,
    .flush = trace_flush,
};

NBDKIT_REGISTER_PLUGIN(plugin)
