// The machine that crashes: a log on the simulated disk, driven by a random script with kills,
// clean restarts and failing syncs in it, and offered for images at every system call and after
// every step.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "test/support/sim_file_ops.h"
#include "test/torture/native/sim_driver.h"
#include "test/torture/native/sim_image.h"
#include "test/torture/native/sim_witness.h"

namespace millrace::torture {

class SimVictim {
 public:
  // Called where an image may be taken. Says what is wrong with it, or nothing.
  using OnPoint = std::function<std::string(SimVictim* victim)>;

  SimVictim(uint64_t seed, const ImagePlan& plan, OnPoint on_point);
  ~SimVictim();
  SimVictim(const SimVictim&) = delete;
  SimVictim& operator=(const SimVictim&) = delete;

  // Opens a fresh directory and makes `steps` steps.
  std::string Run(uint64_t steps);

  support::SimFileOps* machine() { return machine_.get(); }

  DirectoryModel SnapshotModel() const { return driver_.SnapshotModel(); }

  // A sync has failed in this process: the page cache may show what the disk lacks, so only what
  // was durable counts.
  bool in_doubt() const { return in_doubt_; }

  uint64_t acks() const { return driver_.acks(); }

 private:
  std::string Step();
  std::string Restart();
  void NextProcess();
  std::string BreakSyncs();
  std::string Point();
  void Watch();

  const ImagePlan plan_;
  const OnPoint on_point_;
  std::unique_ptr<support::SimFileOps> machine_;
  Random random_;
  support::Random evict_random_;
  SimDriver driver_;
  SimWitness witness_;
  bool in_doubt_ = false;
  std::string wrong_;  // found inside a system call
};

}  // namespace millrace::torture
