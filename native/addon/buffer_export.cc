#include "native/addon/buffer_export.h"

#include <algorithm>
#include <utility>

#include "native/addon/values.h"
#include "native/log/segment_file.h"

namespace millrace::addon {

namespace {

// What a slice lies in.
struct Memory {
  explicit Memory(const log::ReadResult& slice) {
    if (slice.decrypted != nullptr) {
      owner = slice.decrypted;
      data = slice.decrypted.get();
      bytes = slice.bytes;
    } else {
      owner = slice.mapping;
      data = slice.mapping->data();
      bytes = slice.mapping->bytes();
    }
  }

  std::shared_ptr<const void> owner;
  const uint8_t* data;
  uint64_t bytes;
};

struct MemoryOwner {
  std::shared_ptr<const void> memory;
};

struct TableOwner {
  std::shared_ptr<log::CommittedTable> committed;
};

napi_value ValueOf(napi_env env, napi_ref reference) {
  napi_value value = nullptr;
  return napi_get_reference_value(env, reference, &value) == napi_ok ? value : nullptr;
}

}  // namespace

napi_value ViewTable::Export(napi_env env, uint32_t slot, const log::ReadResult& slice,
                             uint32_t* offset) {
  const Memory memory(slice);
  *offset = static_cast<uint32_t>(slice.data - memory.data);
  for (auto view = views_.begin(); view != views_.end();) {
    const napi_value buffer = ValueOf(env, view->reference);
    if (buffer == nullptr) {
      napi_delete_reference(env, view->reference);
      view = views_.erase(view);
      continue;
    }
    if (view->data == memory.data && view->memory.lock() == memory.owner) {
      view->read_end = std::max(view->read_end, slice.next_position);
      return buffer;
    }
    ++view;
  }
  const napi_value buffer =
      MakeExternalBuffer(env, memory.data, memory.bytes, new MemoryOwner{memory.owner});
  napi_ref reference = nullptr;
  if (buffer == nullptr || napi_create_reference(env, buffer, 0, &reference) != napi_ok) {
    return nullptr;
  }
  views_.push_back({memory.owner, memory.data, slot, slice.next_position, reference});
  return buffer;
}

void ViewTable::DetachTrimmed(napi_env env, const log::CommittedTable& committed) {
  for (auto view = views_.begin(); view != views_.end();) {
    const uint64_t trimmed = committed.At(view->slot).trimmed_start.load(std::memory_order_acquire);
    if (view->read_end <= trimmed) {
      Detach(env, *view);
      view = views_.erase(view);
    } else {
      ++view;
    }
  }
}

void ViewTable::DetachAll(napi_env env) {
  for (const View& view : views_) {
    Detach(env, view);
  }
  views_.clear();
}

void ViewTable::Forget(napi_env env) {
  for (const View& view : views_) {
    napi_delete_reference(env, view.reference);
  }
  views_.clear();
}

void ViewTable::Detach(napi_env env, const View& view) {
  const napi_value buffer = ValueOf(env, view.reference);
  if (buffer != nullptr) {
    static_cast<void>(napi_detach_arraybuffer(env, buffer));
  }
  napi_delete_reference(env, view.reference);
}

napi_value ExportCommittedChunk(napi_env env, std::shared_ptr<log::CommittedTable> committed,
                                uint32_t index) {
  const log::CommittedSlot* const chunk = committed->chunk(index);
  return MakeExternalBuffer(env, chunk,
                            log::CommittedTable::kSlotsPerChunk * sizeof(log::CommittedSlot),
                            new TableOwner{std::move(committed)});
}

}  // namespace millrace::addon
