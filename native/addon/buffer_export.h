// Memory of the core as ArrayBuffers: segments that slices are views of, and the committed
// positions.
//
// Two things keep a stray read from faulting. The finalizer of an ArrayBuffer holds the mapping, so
// memory that JavaScript can reach stays mapped. And views are detached when the log is closed and
// when what was read through them is trimmed, so that JavaScript cannot pin segments for ever: a
// view is then of length 0.
//
// V8 counts the bytes of these buffers as external memory by itself, which lets the collector feel
// them.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <list>
#include <memory>

#include "native/log/committed_table.h"
#include "native/log/options.h"

namespace millrace::addon {

// The views that one log handle gave out: one ArrayBuffer per mapping, used again while it lives.
// Used by the thread of its environment alone.
class ViewTable {
 public:
  ViewTable() = default;
  ~ViewTable() = default;
  ViewTable(const ViewTable&) = delete;
  ViewTable& operator=(const ViewTable&) = delete;

  // The ArrayBuffer over the segment that `slice` lies in, or over the memory that it was decrypted
  // to; null when Node-API refuses. `*offset` is where in it the slice begins.
  napi_value Export(napi_env env, uint32_t slot, const log::ReadResult& slice, uint32_t* offset);

  // Detaches the views of which nothing is left that can be read: all that was read through them is
  // trimmed.
  void DetachTrimmed(napi_env env, const log::CommittedTable& committed);

  void DetachAll(napi_env env);

  // The environment ends, and detaches everything itself.
  void Forget(napi_env env);

  bool is_empty() const { return views_.empty(); }

 private:
  struct View {
    std::weak_ptr<const void> memory;
    const uint8_t* data;
    uint32_t slot;
    uint64_t read_end;   // the highest position that was handed out
    napi_ref reference;  // weak: a view that JavaScript dropped is collected
  };

  static void Detach(napi_env env, const View& view);

  std::list<View> views_;
};

// One chunk of the committed table as an ArrayBuffer. Read alone, and through Atomics.
napi_value ExportCommittedChunk(napi_env env, std::shared_ptr<log::CommittedTable> committed,
                                uint32_t index);

}  // namespace millrace::addon
