#include "native/addon/control_calls.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "native/addon/control_thread.h"
#include "native/addon/environment.h"
#include "native/addon/errors.h"
#include "native/addon/log_handle.h"
#include "native/addon/stats_calls.h"
#include "native/addon/values.h"
#include "native/log/core_registry.h"

namespace millrace::addon {

using base::Code;
using base::Status;

namespace {

constexpr size_t kListCountMax = 1 << 20;

// What an operation found out, filled in on the control thread.
struct Answer {
  Status status;
  std::vector<uint64_t> shards;
  std::unique_ptr<log::ScrubReport> report;
  std::shared_ptr<log::Core> core;  // of open: one use of it, until a handle takes it over
  uint32_t on_wake = 0;             // of open
};

// Tells an answer to the callback that the environment keeps under `done`.
class AnswerCompletion : public Completion {
 public:
  AnswerCompletion(std::weak_ptr<Environment> environment, uint32_t done)
      : environment_(std::move(environment)), done_(done) {}

  ~AnswerCompletion() override {
    if (answer_.core != nullptr) {
      // Opened for an environment that has ended.
      static_cast<void>(log::CoreRegistry::Process()->Release(answer_.core));
    }
  }

  AnswerCompletion(const AnswerCompletion&) = delete;
  AnswerCompletion& operator=(const AnswerCompletion&) = delete;

  Answer* answer() { return &answer_; }

  void Tell(napi_env env) override {
    const std::shared_ptr<Environment> environment = environment_.lock();
    if (environment == nullptr) {
      return;
    }
    environment->wake_up()->Unreference();
    const napi_value done = environment->TakeCallback(done_);
    const napi_value on_wake = environment->TakeCallback(answer_.on_wake);
    const napi_value arguments[] = {
        answer_.status.ok() ? Undefined(env) : MakeError(env, answer_.status),
        answer_.status.ok() ? MakeAnswer(env, environment, on_wake) : Undefined(env)};
    if (done != nullptr && arguments[0] != nullptr && arguments[1] != nullptr) {
      static_cast<void>(napi_call_function(env, Undefined(env), done, 2, arguments, nullptr));
    }
  }

 private:
  napi_value MakeAnswer(napi_env env, const std::shared_ptr<Environment>& environment,
                        napi_value on_wake) {
    if (answer_.core != nullptr) {
      return LogHandle::Create(environment, std::move(answer_.core), on_wake);
    }
    if (answer_.report != nullptr) {
      return MakeReport(env, *answer_.report);
    }
    return answer_.shards.empty() ? Undefined(env) : MakeNumbers(env, answer_.shards);
  }

  const std::weak_ptr<Environment> environment_;
  const uint32_t done_;
  Answer answer_;
};

// Runs `work` on a control thread and tells `done` how it went.
void Start(Environment* environment, Lane lane, napi_value done,
           std::function<void(Answer*)> work) {
  auto completion = std::make_unique<AnswerCompletion>(environment->weak_from_this(),
                                                       environment->KeepCallback(done));
  // A std::function can be copied, a completion cannot.
  auto shared = std::make_shared<std::unique_ptr<AnswerCompletion>>(std::move(completion));
  const auto job = [shared, work = std::move(work), wake_up = environment->wake_up()] {
    work((*shared)->answer());
    wake_up->Post(std::move(*shared));
  };
  environment->wake_up()->Reference();
  if (!ControlThread::Run(lane, job)) {
    // There is no thread to be had. Blocking the event loop is better than a log that cannot be
    // closed.
    job();
  }
}

std::function<void(Answer*)> MakeWork(ControlOperation operation, std::shared_ptr<log::Core> core,
                                      uint64_t shard, uint64_t amount, std::vector<uint64_t> list) {
  switch (operation) {
    case ControlOperation::kCreateShards:
      return [core, list](Answer* answer) {
        answer->status = core->CreateShards(list, &answer->shards);
      };
    case ControlOperation::kDeleteShards:
      return [core, list](Answer* answer) { answer->status = core->DeleteShards(list); };
    case ControlOperation::kSealShards:
      return [core, list](Answer* answer) { answer->status = core->SealShards(list); };
    case ControlOperation::kScrub:
      return [core, shard, amount](Answer* answer) {
        answer->report = std::make_unique<log::ScrubReport>();
        answer->status = core->Scrub(shard, amount, answer->report.get());
      };
    case ControlOperation::kFlush:
      return [core](Answer* answer) { answer->status = core->Flush(); };
    case ControlOperation::kClose:
    case ControlOperation::kCount:
      break;
  }
  // Close. Other users of the same core go on; this one's appends are durable when it is told.
  return [core](Answer* answer) {
    answer->status = core->Flush();
    Status closed = log::CoreRegistry::Process()->Release(core);
    if (answer->status.ok()) {
      answer->status = std::move(closed);
    }
  };
}

void SetOptions(const std::vector<uint64_t>& values, log::CoreOptions* options) {
  options->segment_bytes_min = values[0];
  options->segment_bytes_max = values[1];
  options->spare_segments = static_cast<uint32_t>(values[2]);
  options->disk_low_water_bytes = values[3];
  options->idle_marker_millis = static_cast<uint32_t>(values[4]);
  options->producers_max = static_cast<uint32_t>(values[5]);
  options->mapped_segments_max = static_cast<uint32_t>(values[6]);
  options->scrub_bytes_per_second = values[7];
  options->align_commits = values[8] != 0;
  options->exclusive = values[9] != 0;
}

Status ReadOptions(napi_env env, napi_value value, log::CoreOptions* options) {
  constexpr size_t kCount = sizeof kOpenOptions / sizeof kOpenOptions[0];
  constexpr size_t kNarrow[] = {2, 4, 5, 6};
  std::vector<uint64_t> values;
  if (Status status = ReadNumbers(env, value, kCount, &values); !status.ok()) {
    return status;
  }
  if (values.size() != kCount) {
    return Status(Code::kInvalidArgument,
                  base::Format("options: %zu elements, wanted %zu", values.size(), kCount));
  }
  for (const size_t index : kNarrow) {
    if (values[index] > UINT32_MAX) {
      return Status(Code::kInvalidArgument,
                    base::Format("%s is %llu, at most 4294967295", kOpenOptions[index],
                                 static_cast<unsigned long long>(values[index])));
    }
  }
  SetOptions(values, options);
  return Status();
}

}  // namespace

napi_value Control(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  auto* const handle = static_cast<LogHandle*>(arguments.data);
  uint32_t operation = 0;
  uint64_t shard = 0;
  uint64_t amount = 0;
  std::vector<uint64_t> list;
  if (!ReadUint32(env, arguments.values[0], &operation) ||
      operation >= static_cast<uint32_t>(ControlOperation::kCount)) {
    return ThrowInvalid(env, "operation: wanted one of constants.controlOperations");
  }
  if (!ReadUint64(env, arguments.values[1], &shard) ||
      !ReadUint64(env, arguments.values[2], &amount)) {
    return ThrowInvalid(env, "shard, amount: wanted bigints from 0 to 2^64-1");
  }
  if (!IsFunction(env, arguments.values[4])) {
    return ThrowInvalid(env, "done: wanted a function");
  }
  Status status = handle->CheckOpen();
  if (status.ok() && !IsNull(env, arguments.values[3])) {
    status = ReadNumbers(env, arguments.values[3], kListCountMax, &list);
  }
  if (!status.ok()) {
    return ThrowStatus(env, status);
  }
  const auto kind = static_cast<ControlOperation>(operation);
  Environment* const environment = handle->environment();
  std::shared_ptr<log::Core> core =
      kind == ControlOperation::kClose ? handle->BeginClose() : handle->core();
  Start(environment, kind == ControlOperation::kScrub ? Lane::kScan : Lane::kChange,
        arguments.values[4], MakeWork(kind, std::move(core), shard, amount, std::move(list)));
  return nullptr;
}

napi_value Open(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  Environment* const environment = Environment::Of(env);
  std::string path;
  if (environment == nullptr || environment->is_shut()) {
    return nullptr;
  }
  if (!ReadString(env, arguments.values[0], &path) || path.empty() ||
      path.find('\0') != std::string::npos) {
    return ThrowInvalid(env, "path: wanted a string that is not empty, without a zero byte");
  }
  if (!IsFunction(env, arguments.values[2]) || !IsFunction(env, arguments.values[3])) {
    return ThrowInvalid(env, "onWake, done: wanted functions");
  }
  log::CoreOptions options;
  if (Status status = ReadOptions(env, arguments.values[1], &options); !status.ok()) {
    return ThrowStatus(env, status);
  }
  const uint32_t on_wake = environment->KeepCallback(arguments.values[2]);
  Start(environment, Lane::kChange, arguments.values[3], [path, options, on_wake](Answer* answer) {
    answer->on_wake = on_wake;
    answer->status = log::CoreRegistry::Process()->Acquire(path, options, &answer->core);
  });
  return nullptr;
}

napi_value Verify(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  Environment* const environment = Environment::Of(env);
  std::string path;
  if (environment == nullptr || environment->is_shut()) {
    return nullptr;
  }
  if (!ReadString(env, arguments.values[0], &path) || path.empty() ||
      path.find('\0') != std::string::npos) {
    return ThrowInvalid(env, "path: wanted a string that is not empty, without a zero byte");
  }
  if (!IsFunction(env, arguments.values[1])) {
    return ThrowInvalid(env, "done: wanted a function");
  }
  Start(environment, Lane::kScan, arguments.values[1], [path](Answer* answer) {
    answer->report = std::make_unique<log::ScrubReport>();
    answer->status = log::VerifyDirectory(path, base::PosixFileOps(), answer->report.get());
  });
  return nullptr;
}

}  // namespace millrace::addon
