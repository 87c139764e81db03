/**
 * Shards of the log and the catalog that names them. A shard is first made and then named, so one
 * that nobody names has no records, and is deleted.
 */

import { MillraceError } from '../errors.ts'
import type { Log, SequenceNumber, ShardId } from '../log/log.ts'
import { type CatalogRecord, unreadable } from './catalog-records.ts'
import { shardsInLog } from './stream.ts'
import type { StreamCatalog } from './stream-catalog.ts'

/**
 * Creates shards that begin with these sequence numbers, and names them in the catalog by the
 * records of `decide`; none, and there are no shards. Answers whether there are. Rejects:
 * LIMIT_EXCEEDED, DISK_FULL, with no shards left behind but those that the full disk has no room to
 * delete: the next open does that; LOG_FAILED.
 */
export async function createNamed(
  log: Log,
  catalog: StreamCatalog,
  firsts: readonly SequenceNumber[],
  decide: (numbers: readonly ShardId[]) => readonly CatalogRecord[],
): Promise<boolean> {
  const numbers = await log.createShards(firsts)
  let isNamed = false
  try {
    await catalog.change(() => {
      const records = decide(numbers)
      isNamed = records.length > 0
      return records
    })
  } catch (error) {
    // Certainly not written, so nothing names these shards, and the next try makes its own.
    if (isDiskFull(error)) await deleteIfThereIsRoom(log, numbers)
    throw error
  }
  if (!isNamed) await deleteIfThereIsRoom(log, numbers)
  return isNamed
}

/** Answers why there was none. Rejects as the log does otherwise. */
async function deleteIfThereIsRoom(
  log: Log,
  numbers: readonly ShardId[],
): Promise<MillraceError | undefined> {
  try {
    if (numbers.length > 0) await log.deleteShards(numbers)
    return undefined
  } catch (error) {
    if (isDiskFull(error)) return error
    throw error
  }
}

function isDiskFull(error: unknown): error is MillraceError {
  return error instanceof MillraceError && error.code === 'DISK_FULL'
}

/**
 * Deletes the shards that no stream names: those of a step that was cut short, which are empty, and
 * those that have expired. Another one that has records, or a shard of a stream that is not there,
 * means that the catalog has lost something, and then nothing is touched. On a full disk they may
 * all have to stay: `onError` is told, and the answer is those that the catalog knows nothing of.
 */
export async function deleteUnnamed(
  log: Log,
  catalog: StreamCatalog,
  onError: (error: unknown) => void,
): Promise<readonly ShardId[]> {
  const unnamed = new Set(await log.listShards())
  unnamed.delete(catalog.shard)
  const expired = [...catalog.state.expiredShards].filter((it) => unnamed.delete(it))
  for (const stream of catalog.state.streams) {
    for (const { number } of shardsInLog(stream)) {
      if (!unnamed.delete(number) && stream.status !== 'DELETING') {
        throw unreadable(`it names shard ${number} of stream ${stream.name}, which is not there`)
      }
    }
  }
  for (const shard of unnamed) {
    const { nextSequenceNumber, firstSequenceNumber, damaged } = await log.shardStats(shard)
    if (nextSequenceNumber !== firstSequenceNumber || damaged.length > 0) {
      throw unreadable(`shard ${shard} has records, and no stream names it`)
    }
  }
  const full = await deleteIfThereIsRoom(log, [...unnamed, ...expired])
  if (full !== undefined) {
    onError(full)
    return [...unnamed]
  }
  catalog.state.forgetExpired([...catalog.state.expiredShards])
  return []
}
