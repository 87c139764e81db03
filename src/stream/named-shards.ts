/**
 * Shards of the log and the catalog that names them. A shard is first made and then named, so one
 * that nobody names has no records, and is deleted.
 */

import { MillraceError } from '../errors.ts'
import type { Log, SequenceNumber, ShardId } from '../log/log.ts'
import { type CatalogRecord, unreadable } from './catalog-records.ts'
import { shardsInLog } from './stream.ts'
import type { StreamCatalog } from './stream-catalog.ts'

export interface NamedShardsHost {
  readonly log: Log
  readonly catalog: StreamCatalog
  deleteLater(numbers: readonly ShardId[]): void
}

/**
 * Creates shards that begin with these sequence numbers, and names them in the catalog by the
 * records of `decide`; none, and there are no shards. Answers whether there are. Rejects:
 * LIMIT_EXCEEDED, DISK_FULL, with no shards left behind but those that a full disk has no room to
 * delete, which `deleteLater` is given; LOG_FAILED.
 */
export async function createNamed(
  { log, catalog, deleteLater }: NamedShardsHost,
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
    if (isDiskFull(error)) await deleteOrLater()
    throw error
  }
  if (!isNamed) await deleteOrLater()
  return isNamed

  async function deleteOrLater(): Promise<void> {
    if ((await deleteIfThereIsRoom(log, numbers)) !== undefined) deleteLater(numbers)
  }
}

/** Answers why there was none. Rejects as the log does otherwise. */
async function deleteIfThereIsRoom(
  log: Log,
  numbers: readonly ShardId[],
): Promise<MillraceError | undefined> {
  try {
    await deleteInParts(log, numbers)
    return undefined
  } catch (error) {
    if (isDiskFull(error)) return error
    throw error
  }
}

/**
 * Deletes shards, on a full disk as many of them at a time as there is room to say so. Rejects as
 * the log does, where there is room for none.
 */
export async function deleteInParts(log: Log, numbers: readonly ShardId[]): Promise<void> {
  let size = numbers.length
  for (let at = 0; at < numbers.length; ) {
    try {
      await log.deleteShards(numbers.slice(at, at + size))
      at += size
    } catch (error) {
      if (!isDiskFull(error) || size === 1) throw error
      size = Math.ceil(size / 2)
    }
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
