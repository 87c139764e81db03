// Counts what limits count, keys and data, of records that were read: slices are whole batches,
// with their heads and the encoding of each record.
//
// A pure function over bytes; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::ingest {

// The keys and data of up to `records_max` records of a slice, without the first `skip` of them. Of
// records that are compressed it counts their share of the batch as it is stored. What is no whole
// batch, which no read gives, ends the count.
uint64_t CountPayload(const uint8_t* slice, size_t bytes, uint64_t skip, uint64_t records_max);

}  // namespace millrace::ingest
