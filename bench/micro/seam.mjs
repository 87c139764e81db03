// The floor of the seam and the small operations above it, by tinybench: what a call costs before
// it does anything.
import { benchCalls } from './calls.mjs'
import { binding, loadFloor, millrace, printReport, someBytes, withLog } from './harness.mjs'

await withLog(1, async (log, shards) => {
  const bytes = someBytes(112)
  const record = new millrace.BatchBuilder()
  record.add('key-1234', someBytes(100))
  await log.append(shards[0], record, { durability: 'os' })
  const shard = log.shard(shards[0])
  const { committedEnd } = shard
  if (!(committedEnd > 0n)) throw new Error('the record is not committed')
  const data = someBytes(100)
  const builder = new millrace.BatchBuilder()
  const floor = loadFloor()
  await benchCalls({
    ...(floor && {
      'N-API call, empty': [() => floor.empty(), (answer) => answer === undefined],
      'N-API call with a typed array': [
        () => floor.takeTypedArray(bytes),
        () => bytes[0] === bytes.length, // which it has written there
      ],
    }),
    'call of the addon that answers a number': [() => binding.liveMappings(), Number.isInteger],
    // It may grow: what says how far the log is synced comes once it rests.
    'committed position, no call': [() => shard.committedEnd, (end) => end >= committedEnd],
    'pack a record of 100 B': [
      () => {
        builder.clear()
        builder.add('key-1234', data)
      },
      () => Buffer.compare(builder.bytes, record.bytes) === 0,
    ],
    'new Uint8Array view': [
      () => new Uint8Array(bytes.buffer, bytes.byteOffset, 100),
      (view) => view.length === 100 && view[1] === bytes[1],
    ],
  })
})
printReport()
