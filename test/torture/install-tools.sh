#!/bin/sh
# Installs what the torture tests need on Debian 12, as root: compilers, the parts of the traced
# disk (nbdkit, nbdfuse), file systems, and strace. The runner uses what is there and skips the
# rest, so nothing here is needed to run some of the tests.
set -eu

if [ "$(id -u)" -ne 0 ]; then
  echo "install-tools.sh: run it as root (apt-get needs it)" >&2
  exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends \
  clang-14 cmake e2fsprogs fuse3 g++ libclang-rt-14-dev libgtest-dev libnbd-bin make nbdkit \
  nbdkit-plugin-dev strace util-linux xfsprogs
