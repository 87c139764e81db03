// What the torture programs on the simulated disk share: their command line, and the lines that the
// runner reads.
//
//   NAME_main [--count TRIALS] [--seed N] [--script N] [--stride N]
//
// --script runs one script alone, the one that a failure names. --stride is for programs that go
// through a script step by step: they take every Nth.
#pragma once

#include <cstdint>
#include <string>

#include "test/torture/native/arguments.h"

namespace millrace::torture {

class SimRun {
 public:
  SimRun(const char* name, int argument_count, char** arguments, uint64_t default_count);

  uint64_t count() const { return count_; }

  uint64_t seed() const { return seed_; }

  uint64_t first_script() const { return first_script_; }

  bool one_script() const { return one_script_; }

  // At least 1.
  uint64_t stride() const { return stride_; }

  // Independent of those of all other scripts.
  uint64_t SeedOf(uint64_t script) const;

  // Prints progress now and then.
  void Progress(uint64_t trials);

  // Prints what was violated and what repeats it. Returns the exit status.
  int Fail(uint64_t script, const std::string& where, const std::string& wrong) const;

  // Prints the last line; `details` are further members of its JSON, `"name":1,...`, and may be
  // empty. Returns the exit status.
  int Pass(uint64_t trials, const std::string& details) const;

 private:
  const char* const name_;
  const Arguments arguments_;
  const uint64_t count_;
  const uint64_t seed_;
  const uint64_t first_script_;
  const bool one_script_;
  const uint64_t stride_;
  uint64_t told_ = 0;
};

}  // namespace millrace::torture
