// Compares what an open log, or a directory that nobody has open, holds with what it promised.
#pragma once

#include <string>

#include "native/base/file_ops.h"
#include "native/log/core.h"
#include "test/torture/native/sim_model.h"

namespace millrace::torture {

// The log has just been opened after `crash`. Reads everything, says the first thing that is wrong
// or nothing, and makes the model certain: what was found is promised from now on.
std::string JudgeOpened(log::Core* core, Crash crash, DirectoryModel* model);

// The log is open and nothing has happened since the model was made certain except what the model
// tells.
std::string JudgeRunning(log::Core* core, const DirectoryModel& model);

// What VerifyDirectory says of a directory after `crash`; after kClosed it must find nothing at all
// to do.
std::string JudgeVerified(const std::string& path, base::FileOps* file_ops, Crash crash,
                          const DirectoryModel& model);

}  // namespace millrace::torture
