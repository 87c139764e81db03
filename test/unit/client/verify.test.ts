/** Checksums of what is read: compared where that is wanted. */

import { describe, expect, test } from 'vitest'
import type { PushListener } from '../../../src/client/push-exchange.ts'
import { StreamReader } from '../../../src/client/reader.ts'
import { readerSettings } from '../../../src/client/reader-options.ts'
import type { RecordBatch } from '../../../src/client/record-batch.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ModelStream } from '../../support/model-stream.ts'
import { GroupHarness } from './group-harness.ts'
import { usePushHarness } from './push-harness.ts'

/** A bit of the data of the last record. */
function spoil(bytes: Uint8Array): void {
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
}

function expectSpoilt(batch: RecordBatch, verify: boolean | undefined): void {
  const read = () => Array.from(batch, (it) => it.partitionKey)
  if (verify === true) expect(read).toThrow(/the checksum of the batch from .* is wrong/)
  else expect(read()).toEqual(['k'])
}

const harness = usePushHarness()

describe.each([true, false, undefined])('verify: %s', (verify) => {
  test('of what is pushed', async () => {
    harness.broker.stream.put(0, 'a')
    spoil(harness.broker.stream.shards[0]?.batches[0]?.bytes ?? new Uint8Array())
    const subscription = harness.subscribe({ from: 'oldest', verify })
    expectSpoilt(await harness.nextBatch(subscription), verify)
    await subscription.close()
  })

  test('of what is pushed to a worker', async () => {
    const group = await GroupHarness.make(1)
    await group.fanOut.put(0, ['k'])
    const program = group.program()
    const openLine = program.openLine.bind(program)
    program.openLine = () => {
      const line = openLine()
      const subscribe = line.subscribe.bind(line)
      line.subscribe = (wanted, listener) => subscribe(wanted, spoiling(listener))
      return line
    }
    const worker = group.worker({ from: 'oldest', verify }, program)
    expectSpoilt(await group.nextBatch(worker), verify)
    await group.progress(worker.close())
  })

  test('of what is asked for', async () => {
    const stream = new ModelStream(1)
    stream.put(0, 'a')
    const getRecords = stream.verbs.getRecords.bind(stream.verbs)
    stream.verbs.getRecords = async (...args) => {
      const answer = await getRecords(...args)
      if (answer.records.recordCount > 0) spoil(answer.records.slice)
      return answer
    }
    const settings = readerSettings({ from: 'oldest', verify }, 's')
    const parts = { verbs: stream.verbs, clock: new FakeClock(), streamName: 's', settings }
    const reader = new StreamReader({ ...parts, signal: undefined })
    const { value } = await reader.next()
    if (value !== undefined) expectSpoilt(value, verify)
    expect(value).toBeDefined()
    await reader.close()
  })
})

function spoiling(listener: PushListener): PushListener {
  return {
    ...listener,
    slice: (number, bytes) => {
      spoil(bytes)
      listener.slice(number, bytes)
    },
  }
}
