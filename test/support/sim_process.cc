// The part of SimFileOps that is not the seam: death, power cuts, and what a test asks.

#include <utility>

#include "native/base/check.h"
#include "test/support/sim_file_ops.h"

namespace millrace::support {

std::unique_ptr<SimFileOps> SimFileOps::CutPower(Random* random, CutMode mode) {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  ObserveLocked();
  CutDice dice(mode, random);
  return std::make_unique<SimFileOps>(disk_->Cut(&dice), limits_);
}

std::unique_ptr<SimFileOps> SimFileOps::KillCopy() {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  ObserveLocked();
  return std::make_unique<SimFileOps>(disk_->Clone(), limits_);
}

std::unique_ptr<SimFileOps> SimFileOps::Neighbour() {
  return std::make_unique<SimFileOps>(disk_, limits_);
}

std::unique_ptr<SimFileOps> SimFileOps::Kill() {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  MILLRACE_CHECK(!dead_);
  ObserveLocked();
  for (auto& [at, mapped] : maps_) {
    mapped.file->DetachView(at);
    --mapped.file->handles;
    if (mapped.writable) {
      disk_->RemoveWritableMap(mapped.file);
    }
    mapped.file.reset();
  }
  for (auto& [fd, descriptor] : descriptors_) {
    --descriptor.file->handles;
    if (descriptor.file->lock_holder == LockHolder(fd)) {
      descriptor.file->lock_holder = 0;
    }
  }
  descriptors_.clear();
  dead_ = true;
  return std::make_unique<SimFileOps>(disk_, limits_);
}

void SimFileOps::CloseAll() {
  ObserveLocked();
  for (auto& [at, mapped] : maps_) {
    if (!mapped.file) {
      SimMemory::UnmapView(at, mapped.bytes);
      continue;
    }
    mapped.file->Unmap(at);
    --mapped.file->handles;
    if (mapped.writable) {
      disk_->RemoveWritableMap(mapped.file);
    }
  }
  for (auto& [fd, descriptor] : descriptors_) {
    --descriptor.file->handles;
    if (descriptor.file->lock_holder == LockHolder(fd)) {
      descriptor.file->lock_holder = 0;
    }
  }
}

void SimFileOps::Observe() {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  ObserveLocked();
}

void SimFileOps::EvictLostPages(Random* random) {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  ObserveLocked();
  CutDice dice(CutMode::kRandom, random);
  disk_->ForEachFile([&](SimFile* file) { file->EvictLostPages(&dice); });
}

void SimFileOps::SetBeforeCall(std::function<void(const SimCall&)> before_call) {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  before_call_ = std::move(before_call);
}

void SimFileOps::AddFault(const SimFault& fault) {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  faults_.Add(fault);
}

void SimFileOps::ClearFaults() {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  faults_.Clear();
}

uint64_t SimFileOps::fault_hits() {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  return faults_.hits();
}

uint64_t SimFileOps::call_count() {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  return call_count_;
}

std::vector<SimCall> SimFileOps::calls() {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  return calls_;
}

std::vector<SimCall> SimFileOps::TakeCalls() {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  ObserveLocked();
  return std::exchange(calls_, {});
}

void SimFileOps::SetTracing(bool tracing) {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  tracing_ = tracing;
}

uint64_t SimFileOps::misuses() {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  return misuses_;
}

uint64_t SimFileOps::open_descriptors() {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  return descriptors_.size();
}

uint64_t SimFileOps::open_maps() {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  return dead_ ? 0 : maps_.size();
}

void SimFileOps::SetCapacity(uint64_t bytes) {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  disk_->set_capacity_bytes(bytes);
}

bool SimFileOps::Exists(const std::string& path) {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  SimNode node;
  return disk_->Find(path, &node) == 0;
}

std::vector<std::string> SimFileOps::FilePaths() {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  return disk_->FilePaths();
}

std::vector<uint8_t> SimFileOps::ReadFile(const std::string& path) {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  SimNode node;
  MILLRACE_CHECK(disk_->Find(path, &node) == 0 && node.file);
  std::vector<uint8_t> contents(node.file->bytes());
  node.file->Read(contents.data(), contents.size(), 0);
  return contents;
}

void SimFileOps::Overwrite(const std::string& path, uint64_t offset, const void* data,
                           size_t bytes) {
  std::lock_guard<std::mutex> lock(disk_->mutex());
  ObserveLocked();
  SimNode node;
  MILLRACE_CHECK(disk_->Find(path, &node) == 0 && node.file);
  node.file->Overwrite(offset, data, bytes);
}

}  // namespace millrace::support
