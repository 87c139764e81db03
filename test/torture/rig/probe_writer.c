// The smallest program that can lose data: it appends numbered blocks to a file and notes each one
// as acknowledged, after fdatasync or without it. It proves the rig, not the log: with the sync no
// cut may lose a block, without it nearly every cut must.
//
//   probe_writer FILE ACKS TRACE COUNT sync|nosync|retry
//
// ACKS gets one line per block: its number and the length of TRACE at that moment. Ends early, with
// status 3, when a write or a sync fails; nothing is acknowledged from then on. `retry` syncs again
// after a failed sync and believes the second answer, which is the mistake that a failing disk must
// reveal.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1000 };  // no multiple of a sector or a page

static long long size_of(const char* path) {
  struct stat status;
  return stat(path, &status) == 0 ? (long long)status.st_size : 0;
}

int main(int argc, char** argv) {
  if (argc != 6)
    return 2;
  const int count = atoi(argv[4]);
  const int retry = strcmp(argv[5], "retry") == 0;
  const int sync = retry || strcmp(argv[5], "sync") == 0;
  int fd = open(argv[1], O_WRONLY | O_CREAT | O_EXCL, 0600);
  FILE* acks = fopen(argv[2], "w");
  if (fd < 0 || acks == NULL)
    return 2;

  // The entry in the directory is not what is tested, so it is made durable in both modes.
  int directory = open(".", O_RDONLY | O_DIRECTORY);
  if (fsync(fd) != 0 || directory < 0 || fsync(directory) != 0)
    return 3;

  uint8_t block[BLOCK_BYTES];
  for (int i = 1; i <= count; i++) {
    memset(block, i & 0xff, sizeof block);
    memcpy(block, &i, sizeof i);
    if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
      return 3;
    if (sync && fdatasync(fd) != 0 && !(retry && fdatasync(fd) == 0))
      return 3;
    fprintf(acks, "%d %lld\n", i, size_of(argv[3]));
    fflush(acks);
    // Something else is written now and then, so that a trace without syncs has events to cut at.
    if (!sync && i % 8 == 0) {
      int noise = open("noise", O_WRONLY | O_CREAT, 0600);
      if (noise < 0 || pwrite(noise, block, sizeof block, i) < 0 || fdatasync(noise) != 0)
        return 3;
      close(noise);
    }
  }
  return 0;
}
