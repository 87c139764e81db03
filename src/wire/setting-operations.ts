/** Operations that set something of a stream, and the one that says what is possible at all. */

import { recordBytesMaxHighest, recordBytesMaxLowest, retentionBytesLowest } from '../limits.ts'
import { optional, uint, word } from './fields.ts'
import { operation } from './operation.ts'
import { streamModes, streamName } from './structures.ts'

const hoursMax = 2 ** 31 - 1

/** Bytes of its records beyond which the oldest go; missing where there is no such bound. */
export const retentionBytes = optional(uint(retentionBytesLowest))

/** What no stream can have is refused by the broker, with the words of Kinesis. */
const retentionPeriodHours = uint(0, hoursMax)

export const increaseStreamRetentionPeriod = operation(
  0x1d,
  'IncreaseStreamRetentionPeriod',
  { streamName, retentionPeriodHours },
  {},
)

export const decreaseStreamRetentionPeriod = operation(
  0x1e,
  'DecreaseStreamRetentionPeriod',
  { streamName, retentionPeriodHours },
  {},
)

export const updateMaxRecordSize = operation(
  0x1f,
  'UpdateMaxRecordSize',
  { streamName, recordBytesMax: uint(recordBytesMaxLowest, recordBytesMaxHighest) },
  {},
)

export const updateStreamMode = operation(
  0x25,
  'UpdateStreamMode',
  { streamName, streamMode: word(streamModes) },
  {},
)

export const describeLimits = operation(
  0x26,
  'DescribeLimits',
  {},
  {
    /** Shards that the streams of the broker can have together. */
    shardLimit: uint(),
    openShardCount: uint(),
    onDemandStreamCount: uint(),
    onDemandStreamCountLimit: uint(),
  },
)

export const updateStreamRetentionBytes = operation(
  0x27,
  'UpdateStreamRetentionBytes',
  { streamName, retentionBytes },
  {},
)
