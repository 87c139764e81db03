/** Checks of what an append is given; see `Log.append`. */

import { InvalidTypeError, InvalidValueError } from '../errors.ts'
import { recordBytesMaxHighest } from '../limits.ts'
import { checkBytes, checkInteger, describe, unsigned32Max } from '../wire/arguments.ts'
import { constants } from './binding.ts'
import {
  type AppendOptions,
  type Batch,
  type Durability,
  type PutRecordsOptions,
  sequenceNumber,
  shardId,
} from './log.ts'

export function checkDurability(value: unknown): Durability {
  if (value === undefined) return 'disk'
  if (value !== 'disk' && value !== 'os') {
    throw new InvalidTypeError(
      `durability: wanted 'disk' or 'os', got ${describe(value)} ${String(value)}`,
    )
  }
  return value
}

export function checkBatch(batch: Batch): void {
  if (typeof batch !== 'object' || batch === null) {
    throw new InvalidTypeError(`batch: wanted { bytes, count }, got ${describe(batch)}`)
  }
  checkBytes('batch.bytes', batch.bytes)
  checkInteger('batch.count', batch.count, 1, constants.batch.recordCountMax)
  if (batch.codec !== undefined) {
    checkInteger('batch.codec', batch.codec, 0, constants.batch.codecMask)
  }
}

function checkRecordBytesMax(value: unknown): void {
  if (value !== undefined) checkInteger('recordBytesMax', value, 1, recordBytesMaxHighest)
}

export function checkAppendOptions(options: AppendOptions): void {
  if (options.epoch !== undefined) checkInteger('epoch', options.epoch, 0, unsigned32Max)
  if (options.expectedSequenceNumber !== undefined) sequenceNumber(options.expectedSequenceNumber)
  if (options.producerSequence !== undefined) {
    checkInteger('producerSequence', options.producerSequence, 0, unsigned32Max)
  }
  if (options.producerId !== undefined) shardId(options.producerId)
  checkRecordBytesMax(options.recordBytesMax)
  const { meter } = options
  if (meter === undefined) return
  checkInteger('meter.routes', meter.routes, 0, unsigned32Max)
  checkInteger('meter.route', meter.route, 0, unsigned32Max)
  checkNow(options.nowMillis)
}

/** `bodyBytes` bounds where the request may begin. */
export function checkPutOptions(options: PutRecordsOptions, bodyBytes: number): void {
  checkInteger('start', options.start ?? 0, 0, bodyBytes)
  checkRecordBytesMax(options.recordBytesMax)
  checkInteger('epoch', options.epoch ?? 0, 0, unsigned32Max)
  checkNow(options.nowMillis)
}

function checkNow(nowMillis: unknown): void {
  if (nowMillis === undefined) return
  if (typeof nowMillis !== 'number' || !(nowMillis >= 0 && nowMillis < Number.MAX_SAFE_INTEGER)) {
    throw new InvalidValueError(
      `nowMillis is ${String(nowMillis)}, it must be a time of 0 to 2^53-2`,
    )
  }
}
