// The simulated file system of one machine: a tree of directories and files, live (what processes
// see) and durable (what a power cut leaves), with the directory changes in between.
//
// A create, rename, unlink or new directory is durable once the directory that it changes is
// synced; until then a cut applies or drops each change for itself, in any combination that POSIX
// allows (the rules of the ALICE study):
//   - a rename is atomic: the old names or the new ones, never both, never neither;
//   - an entry whose directory was never synced into its own parent is lost with that directory;
//   - a change whose file was never created, since the creation was dropped, has no effect;
//   - an unlinked file may come back, with what its pages hold durably.
// The sync of a directory takes along the earlier changes of the names that its own changes depend
// on, also in other directories. A failed one leaves everything pending: file systems with a
// journal stop instead of lying about it.
//
// Paths are absolute or relative texts below one root, which exists durably from the start; there
// are no links, no dot names, no permissions. Calls want the lock of the machine to be held
// (mutex()).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "test/support/cut_dice.h"
#include "test/support/sim_file.h"

namespace millrace::support {

struct SimDirectory;

// A file or a directory; neither where there is nothing.
struct SimNode {
  std::shared_ptr<SimFile> file;
  std::shared_ptr<SimDirectory> directory;

  bool exists() const { return file || directory; }

  bool operator==(const SimNode&) const = default;
};

using SimEntries = std::map<std::string, SimNode>;

struct SimDirectory {
  SimEntries live;
  SimEntries durable;
};

// One directory operation: entries that it sets, or removes where the node is nothing. With `needs`
// it has no effect unless the name of the first edit stands for that node.
struct SimChange {
  struct Edit {
    std::shared_ptr<SimDirectory> directory;
    std::string name;
    SimNode node;
  };

  std::vector<Edit> edits;
  SimNode needs;
};

class SimDisk {
 public:
  SimDisk(const std::string& root, uint64_t capacity_bytes);

  std::mutex& mutex() { return mutex_; }

  const std::string& root() const { return root_; }

  // Files and the space they take: linked, or unlinked and still open or mapped.
  uint64_t UsedBytes();

  uint64_t capacity_bytes() const { return capacity_bytes_; }

  void set_capacity_bytes(uint64_t bytes) { capacity_bytes_ = bytes; }

  // For ever, as far as this machine goes.
  void AbortJournal() { journal_aborted_ = true; }

  bool journal_aborted() const { return journal_aborted_; }

  // All of these: 0, or -errno as of the system call.
  int Find(const std::string& path, SimNode* node);
  int CreateFile(const std::string& path, std::shared_ptr<SimFile>* file);
  int MakeDirectory(const std::string& path);
  int Rename(const std::string& from, const std::string& to);
  int Unlink(const std::string& path);
  int SyncDirectory(const std::string& path);
  int List(const std::string& path, std::vector<std::string>* names);

  // The paths of all live files, sorted.
  std::vector<std::string> FilePaths() const;

  // Files that a process may store to through a map: the ones to observe. Once per map.
  void AddWritableMap(const std::shared_ptr<SimFile>& file);
  void RemoveWritableMap(const std::shared_ptr<SimFile>& file);

  // Calls visit(file) for each of them, in the order of their ids.
  template <typename Visit>
  void ForEachStorable(Visit visit) {
    for (auto& [id, storable] : storable_) {
      visit(storable.file.get());
    }
  }

  // Calls visit(file) for each linked file.
  template <typename Visit>
  void ForEachFile(Visit visit) {
    SimNode node;
    for (const std::string& path : FilePaths()) {
      if (Find(path, &node) == 0) {
        visit(node.file.get());
      }
    }
  }

  // The machine after a power cut at this moment, and the machine with all it knows, page cache
  // included. Files must have been observed.
  std::shared_ptr<SimDisk> Cut(CutDice* dice);
  std::shared_ptr<SimDisk> Clone();

 private:
  struct Storable {
    std::shared_ptr<SimFile> file;
    uint64_t maps;
  };

  int FindParent(const std::string& path, std::shared_ptr<SimDirectory>* parent, std::string* name);
  bool IsAboveRoot(const std::string& path) const;
  void Change(SimChange change);
  std::vector<bool> ChangesToSync(const SimDirectory* directory) const;

  std::mutex mutex_;
  const std::string root_;
  uint64_t capacity_bytes_;
  bool journal_aborted_ = false;
  std::shared_ptr<SimDirectory> top_;
  std::vector<SimChange> pending_;  // in order
  std::vector<std::shared_ptr<SimFile>> unlinked_;
  std::map<uint64_t, Storable> storable_;  // by file id
  uint64_t next_file_id_ = 1;
};

}  // namespace millrace::support
