// Reads every record of every shard through the public interface and tells an EventSink what is
// there.
#pragma once

#include "native/log/core.h"
#include "test/torture/native/event.h"

namespace millrace::torture {

// Ends with kAllRead. Damage and batches that do not follow each other are told as kReadFailed.
void ReadEverything(log::Core* core, EventSink* sink);

// Reads the shard from `*position` to its committed end and tells each batch as an event of `kind`
// (kRead or kServed). Moves `*position` along. INTERNAL where what was read does not belong.
base::Status ReadShardFrom(log::Core* core, uint32_t slot, EventKind kind, uint64_t* position,
                           EventSink* sink);

}  // namespace millrace::torture
