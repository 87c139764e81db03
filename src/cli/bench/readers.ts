/** What reads the records of a run, and checks each of them. */

import type { Client } from '../../client/client.ts'
import type { RecordView } from '../../wire/slice-cursor.ts'
import { DeliveryCheck } from '../delivery-check.ts'
import { untilDelivered } from '../until-delivered.ts'
import type { BenchRun } from './bench-run.ts'
import type { PutLoad } from './put-load.ts'

/** Where the stream ends now, as a resume token: what is put after this is read from it. */
export async function endOf(client: Client, stream: string): Promise<string> {
  const reader = client.read(stream, { from: 'latest' })
  await reader.ready()
  const token = reader.resumeToken
  await reader.close()
  return token
}

/** Checks records; those that another run put are passed over. `onRecord` hears of good ones. */
export function takeRecords(
  run: BenchRun,
  check: DeliveryCheck,
  records: Iterable<RecordView>,
  onRecord: (number: number) => void = () => {},
): void {
  // The bench puts no record without one.
  for (const { partitionKey = '', data } of records) {
    const number = run.records.numberOf(partitionKey, data)
    if (number === undefined) continue
    check.take(partitionKey, number)
    if (number >= 0) onRecord(number)
  }
}

/** Reads all that was put back through GetRecords, from where the stream ended before. */
export async function readBack(run: BenchRun, from: string, load: PutLoad): Promise<DeliveryCheck> {
  const { client, stream } = run
  const check = new DeliveryCheck()
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, run.signal])
  const reader = client.read(stream, { from, signal })
  const reading = iterate(reader, signal, (batch) => takeRecords(run, check, batch))
  run.show({ counts: { read: () => check.delivered }, recordBytes: run.plan.recordBytes })
  try {
    const expected = load.taken - load.refused.size
    await race(reading, untilDelivered({ delivered: () => check.delivered, expected, signal }))
  } finally {
    stop.abort()
    run.show(undefined)
  }
  await reading
  return check
}

/** Goes through an iteration until `signal` ends it. */
export async function iterate<Batch>(
  batches: AsyncIterable<Batch>,
  signal: AbortSignal,
  onBatch: (batch: Batch) => void,
): Promise<void> {
  try {
    for await (const batch of batches) onBatch(batch)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Waits for `work`, unless what reads fails before. */
export async function race<Answer>(reading: Promise<void>, work: Promise<Answer>): Promise<Answer> {
  const failed = new Promise<never>((_, reject) => {
    reading.catch(reject)
  })
  return await Promise.race([failed, work])
}
