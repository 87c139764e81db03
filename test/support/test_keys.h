// Master keys for tests, each told by one letter.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "native/log/core.h"

namespace millrace::support {

inline log::MasterKey KeyOf(const std::string& id, char letter) {
  const std::string bytes(base::kAeadKeyBytes, letter);
  return log::MasterKey(id, reinterpret_cast<const uint8_t*>(bytes.data()));
}

// Gives the core these keys; answers the name of the last one.
inline log::KeyName SetKeys(log::Core* core, const std::vector<log::MasterKey>& keys) {
  std::vector<uint64_t> checks;
  const base::Status status = core->SetKeys(keys, &checks);
  EXPECT_TRUE(status.ok()) << status.message();
  return keys.empty() || checks.empty() ? log::KeyName{}
                                        : log::KeyName{keys.back().id(), checks.back()};
}

}  // namespace millrace::support
