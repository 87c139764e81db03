// The system-call seam over a disk in memory: one object is one process on a simulated machine.
// Tests fail its calls, kill it, cut the power, and open what is left.
//
// What is modelled
//   pages        SyncData and SyncRange make dirty pages of 4 KiB durable, SyncRange those of its
//   range alone; both
//                make the length durable. Before that, a cut leaves each page for itself with its
//                durable contents, with any contents it showed at an observation since, or torn:
//                each sector of 512 bytes of any of these, now and then the newer bytes only up to
//                some multiple of 8 (taken while they were stored). A length that no sync has
//                confirmed is the old or a newer one; pages never written are zeros.
//   observations at the start of every call, before a cut or a kill, and where the test calls
//   Observe. At most eight
//                versions of a page are kept.
//   directories  see sim_disk.h.
//   failed syncs clear the dirty marks of the pages that they should have written: live bytes stay,
//   the disk may have
//                them or not, and later syncs succeed without writing them until something stores
//                to the page again (PWrite, a store through a map even of the same bytes, Populate
//                for writing). EvictLostPages makes such pages show what the disk has. A failing
//                StartWriteback does the same, and the next sync on each descriptor that was open
//                reports its error, once.
//   aborted journal  from then on syncs return 0 and make nothing durable, names and lengths cannot
//   be changed
//                (-EROFS), and ConfirmSyncs fails. A power cut leads to a machine with a new one.
//   partial PWrite  a failing one has written a part before.
//   death        Kill ends the process: locks and descriptors go, the page cache stays.
//   maps         are real memory; a store through a read-only one, and any access after Unmap, is a
//   SIGSEGV. Mapping
//                beyond the end of the file is refused with -EINVAL, since accesses there would be
//                a SIGBUS.
//   limits       capacity of the disk (-ENOSPC; counts lengths and what is reserved, so there are
//   no holes), descriptors
//                (-EMFILE), maps (-ENOMEM).
// Not modelled: permissions, links, a bad block, a disk that lies about a flush, the read-only
// mount that follows an aborted journal as soon as the kernel notices it, and stores that
// are overwritten between two observations.
//
// Safe for use from several threads; a lock of the machine orders the calls. Random choices come
// only from the generator that the test passes, so a seed repeats a run of one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "native/base/file_ops.h"
#include "test/support/cut_dice.h"
#include "test/support/fault_plan.h"
#include "test/support/sim_call.h"
#include "test/support/sim_disk.h"

namespace millrace::support {

struct SimLimits {
  uint64_t capacity_bytes = uint64_t{1} << 40;
  uint64_t descriptors_max = 1024;
  uint64_t maps_max = 65530;
};

class SimFileOps final : public base::FileOps {
 public:
  // A new machine with an empty disk; `root` is its one directory.
  explicit SimFileOps(const std::string& root, const SimLimits& limits = {});
  // Another process on the machine of `disk`.
  SimFileOps(std::shared_ptr<SimDisk> disk, const SimLimits& limits);
  ~SimFileOps() override;
  SimFileOps(const SimFileOps&) = delete;
  SimFileOps& operator=(const SimFileOps&) = delete;

  int Open(const std::string& path, base::OpenMode mode) override;
  int Close(int fd) override;
  int64_t PRead(int fd, void* data, size_t bytes, uint64_t offset) override;
  int PWrite(int fd, const void* data, size_t bytes, uint64_t offset) override;
  int Allocate(int fd, uint64_t bytes) override;
  int Reserve(int fd, uint64_t bytes) override;
  int64_t Size(int fd) override;
  int SyncData(int fd) override;
  int ConfirmSyncs(int fd) override;
  int SyncRange(int fd, uint8_t* map, uint64_t offset, uint64_t bytes) override;
  void StartWriteback(int fd, uint64_t offset, uint64_t bytes) override;
  int Rename(const std::string& from, const std::string& to) override;
  int Unlink(const std::string& path) override;
  int MakeDirectory(const std::string& path) override;
  int SyncDirectory(const std::string& path) override;
  int List(const std::string& path, std::vector<std::string>* names) override;
  int FreeSpace(const std::string& path, base::FileSystemSpace* space) override;
  int Map(int fd, uint64_t bytes, bool writable, uint8_t** map) override;
  int Unmap(uint8_t* map, uint64_t bytes) override;
  int Populate(uint8_t* at, uint64_t bytes, bool for_writing) override;

  // Every page is on the disk until it is populated, which can fail.
  uint64_t ResidentBytes(uint8_t*, uint64_t) override { return 0; }

  int Lock(int fd) override;

  // The machine after a power cut now. This process goes on and can be cut again.
  std::unique_ptr<SimFileOps> CutPower(Random* random, CutMode mode = CutMode::kRandom);

  // Ends this process as kill -9 does and returns the next one on the same machine. From then on
  // every call here fails with -EIO, except that Close and Unmap work; its maps are private memory,
  // so that the objects of the dead process can still be destroyed.
  std::unique_ptr<SimFileOps> Kill();

  // The process after a kill -9 at this moment, on a copy of the machine. This one goes on.
  std::unique_ptr<SimFileOps> KillCopy();

  // Another process on the same machine, while this one lives.
  std::unique_ptr<SimFileOps> Neighbour();

  // Notes what maps show now, as something that write-back may have put on the disk. Call it after
  // each append.
  void Observe();
  void EvictLostPages(Random* random);

  // Called at the start of every call, without a lock held: the place to take images from.
  void SetBeforeCall(std::function<void(const SimCall&)> before_call);

  void AddFault(const SimFault& fault);
  void ClearFaults();
  uint64_t fault_hits();

  // Calls of this process so far, kStore not counted; and their trace since it was last taken, with
  // stores.
  uint64_t call_count();
  std::vector<SimCall> calls();
  std::vector<SimCall> TakeCalls();
  void SetTracing(bool tracing);

  // Uses of closed descriptors and unknown maps, double closes, writes through read-only
  // descriptors.
  uint64_t misuses();
  uint64_t open_descriptors();
  uint64_t open_maps();

  // Around the seam, for the test itself: never traced, never failing by plan.
  void SetCapacity(uint64_t bytes);
  bool Exists(const std::string& path);
  std::vector<std::string> FilePaths();
  std::vector<uint8_t> ReadFile(const std::string& path);  // must exist
  // Bit rot: changes what processes see and what the disk holds alike. The file must exist and be
  // long enough.
  void Overwrite(const std::string& path, uint64_t offset, const void* data, size_t bytes);

 private:
  struct Descriptor {
    std::shared_ptr<SimFile> file;
    std::string path;
    bool writable;
    uint64_t writeback_failures_seen;
  };

  struct MappedRange {
    std::shared_ptr<SimFile> file;  // null once this process is dead
    std::string path;
    uint64_t bytes;
    bool writable;
  };

  // Runs one call: `body` when it works, `on_fault` when the plan fails it. Both get the
  // descriptor, null for calls by path, and may complete the trace entry.
  template <typename Body, typename OnFault>
  int64_t Run(SimCall call, int fd, Body body, OnFault on_fault);
  template <typename Body>
  int64_t Run(SimCall call, int fd, Body body);
  bool RefusesOrLies(SimCall* call) const;
  void ObserveLocked();
  void Record(SimCall call);
  int Misuse(int error);
  Descriptor* Find(int fd, SimCall* call);
  void TellBeforeCall(SimCall call, int fd);
  std::map<uint8_t*, MappedRange>::iterator FindMap(uint8_t* at);
  int OpenLocked(const std::string& path, base::OpenMode mode, SimCall* call);
  uint64_t RoomUpTo(const SimFile& file, uint64_t end);
  int WriteLocked(Descriptor* descriptor, const void* data, size_t bytes, uint64_t offset);
  int MapLocked(Descriptor* descriptor, uint64_t bytes, bool writable, uint8_t** map);
  int CheckSyncRange(const Descriptor& descriptor, uint8_t* map, uint64_t offset, uint64_t bytes);
  static int Sync(Descriptor* descriptor, uint64_t offset, uint64_t bytes);
  static int FailSync(Descriptor* descriptor, uint64_t offset, uint64_t bytes, int error);
  uint64_t LockHolder(int fd) const;
  void CloseAll();

  const std::shared_ptr<SimDisk> disk_;
  const SimLimits limits_;
  const uint64_t process_;
  bool dead_ = false;
  bool tracing_ = true;
  int next_fd_ = 1000;  // never used twice, so that a stale one is found out
  std::map<int, Descriptor> descriptors_;
  std::map<uint8_t*, MappedRange> maps_;
  FaultPlan faults_;
  std::function<void(const SimCall&)> before_call_;
  std::vector<SimCall> calls_;
  uint64_t call_count_ = 0;
  uint64_t misuses_ = 0;
};

}  // namespace millrace::support
