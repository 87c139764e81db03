// One call through the simulated seam, as the trace keeps it and as a fault selects it.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::support {

enum class SimCallKind : uint8_t {
  kOpen,
  kClose,
  kRead,
  kWrite,
  kAllocate,
  kReserve,
  kSize,
  kSyncData,
  kConfirmSyncs,
  kSyncRange,
  kStartWriteback,
  kRename,
  kUnlink,
  kMakeDirectory,
  kSyncDirectory,
  kList,
  kFreeSpace,
  kMap,
  kUnmap,
  kPopulate,
  kLock,
  kStore,  // no call: bytes that were stored through a map since the call before
  kAny,    // in a fault: whatever comes
};

inline const char* SimCallName(SimCallKind kind) {
  static constexpr const char* kNames[] = {
      "Open",           "Close",     "PRead",    "PWrite",        "Allocate",
      "Reserve",        "Size",      "SyncData", "ConfirmSyncs",  "SyncRange",
      "StartWriteback", "Rename",    "Unlink",   "MakeDirectory", "SyncDirectory",
      "List",           "FreeSpace", "Map",      "Unmap",         "Populate",
      "Lock",           "store",     "any"};
  return kNames[static_cast<uint8_t>(kind)];
}

struct SimCall {
  SimCallKind kind = SimCallKind::kAny;
  std::string path;   // for a descriptor or a map: as it was opened
  std::string to;     // of a rename
  uint64_t file = 0;  // id of the file, stable across renames; 0 where there is none
  uint64_t offset = 0;
  uint64_t bytes = 0;
  int64_t result = 0;
  bool created = false;     // Open: the file is new
  bool lied = false;        // a sync that returned 0 after the journal had aborted
  uint64_t file_bytes = 0;  // length of the file after the call

  std::string Text() const {
    std::string text = std::string(SimCallName(kind)) + " " + path;
    if (!to.empty()) {
      text += " -> " + to;
    }
    return text + " [" + std::to_string(offset) + ", +" + std::to_string(bytes) +
           ") = " + std::to_string(result);
  }
};

}  // namespace millrace::support
