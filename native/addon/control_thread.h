// Where slow operations run: never on the event loop, and never on libuv's pool, which the
// program's own file, DNS and crypto calls share. Two threads per process, each started by its
// first job: one for what opens, closes and changes logs, in order; one for scans (scrub, verify),
// which may take hours and must not hold a close up.
//
// Joined when the last environment of the process ends. Safe from any thread.
#pragma once

#include <functional>

namespace millrace::addon {

enum class Lane { kChange, kScan };

class ControlThread {
 public:
  // An environment that may post jobs has come or gone. The last one to go waits for the jobs that
  // are left.
  static void AddUser();
  static void RemoveUser();

  // False when there is no thread to be had; the job is then not run.
  static bool Run(Lane lane, std::function<void()> job);
};

}  // namespace millrace::addon
