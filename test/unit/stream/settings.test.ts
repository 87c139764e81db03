import { expect, test, vi } from 'vitest'
import type { MillraceError } from '../../../src/errors.ts'
import type { Streams } from '../../../src/stream/streams.ts'
import { FakeClocks } from '../../support/fake-clocks.ts'
import { openStreams, temporaryDirectory, untilQuiet } from './harness.ts'

vi.setConfig({ testTimeout: 30_000 })

const hour = 3_600_000
const mib = 1024 * 1024

async function failure(promise: Promise<unknown>): Promise<[string, string]> {
  const error: MillraceError = await promise.then(
    () => expect.fail('it worked'),
    (it) => it,
  )
  return [error.code, error.message]
}

async function made(streamMode: 'ON_DEMAND' | 'PROVISIONED' = 'ON_DEMAND') {
  const clocks = new FakeClocks()
  const dir = temporaryDirectory()
  const opened = await openStreams(dir, { clocks })
  await opened.streams.create({ streamName: 's', shardCount: 1, streamMode })
  await untilQuiet(opened.streams)
  return { ...opened, dir, clocks }
}

async function set(streams: Streams, change: () => Promise<void>): Promise<void> {
  const answered = change()
  await answered
  await untilQuiet(streams)
}

test('a retention period has bounds, and a direction', async () => {
  const { streams, close } = await made()
  const { settings } = streams
  expect(await failure(settings.decreaseRetention('s', 23))).toEqual([
    'INVALID_ARGUMENT',
    'Minimum allowed retention period is 24 hours. ' +
      'Requested retention period (23 hours) is too short.',
  ])
  expect(await failure(settings.increaseRetention('s', 8761))).toEqual([
    'INVALID_ARGUMENT',
    'Maximum allowed retention period is 8760 hours. ' +
      'Requested retention period (8761 hours) is too long.',
  ])
  await set(streams, () => settings.increaseRetention('s', 25))
  expect(await failure(settings.increaseRetention('s', 24))).toEqual([
    'INVALID_ARGUMENT',
    'Requested retention period (24 hours) for stream s can not be shorter than ' +
      'existing retention period (25 hours). Use DecreaseStreamRetentionPeriod.',
  ])
  expect(await failure(settings.decreaseRetention('s', 26))).toEqual([
    'INVALID_ARGUMENT',
    'Requested retention period (26 hours) for stream s can not be longer than ' +
      'existing retention period (25 hours). Use IncreaseStreamRetentionPeriod.',
  ])
  await settings.increaseRetention('s', 25)
  await settings.decreaseRetention('s', 25)
  expect(streams.require('s')).toMatchObject({ status: 'ACTIVE', retentionPeriodHours: 25 })
  expect((await failure(settings.increaseRetention('t', 23)))[0]).toBe('STREAM_NOT_FOUND')
  await close()
})

test('a stream is UPDATING when a change is answered, and takes no other then', async () => {
  const { streams, close } = await made()
  const { settings } = streams
  await settings.setRecordBytesMax('s', 2 * mib)
  expect(streams.require('s')).toMatchObject({ status: 'UPDATING', recordBytesMax: 2 * mib })
  const inState = ['STREAM_IN_USE', 'Stream s not ACTIVE, instead in state UPDATING']
  expect(await failure(settings.setMode('s', 'PROVISIONED'))).toEqual(inState)
  // What is wrong with the request comes first.
  expect((await failure(settings.increaseRetention('s', 1)))[0]).toBe('INVALID_ARGUMENT')
  await untilQuiet(streams)
  await set(streams, () => settings.setMode('s', 'PROVISIONED'))
  expect(streams.require('s')).toMatchObject({ status: 'ACTIVE', mode: 'PROVISIONED' })
  await close()
})

test('one that is being created or deleted takes none', async () => {
  const { streams, close } = await made()
  await streams.create({ streamName: 't', shardCount: 1 })
  const created = failure(streams.settings.setMode('t', 'PROVISIONED'))
  expect(streams.require('t').status).toBe('CREATING')
  expect((await created)[0]).toBe('STREAM_IN_USE')
  const deleted = streams.delete('s')
  expect((await failure(streams.settings.setRecordBytesMax('s', 3 * mib)))[0]).toBe('STREAM_IN_USE')
  await deleted
  await close()
})

test('a mode is switched twice within 24 hours, and no third time', async () => {
  const { streams, clocks, close, dir } = await made()
  await set(streams, () => streams.settings.setMode('s', 'PROVISIONED'))
  clocks.pass(hour)
  // The same one is no switch.
  await streams.settings.setMode('s', 'PROVISIONED')
  await set(streams, () => streams.settings.setMode('s', 'ON_DEMAND'))
  const third = streams.settings.setMode('s', 'PROVISIONED').then(
    () => expect.fail('it worked'),
    (error: MillraceError) => error,
  )
  expect(await third).toMatchObject({
    code: 'LIMIT_EXCEEDED',
    message:
      'The mode of stream s was switched 2 times within 24 hours, which is the limit: ' +
      'it stays ON_DEMAND.',
    retryAfterMs: 23 * hour,
  })
  await close()
  // Restarted, and from a snapshot.
  const again = await openStreams(dir, { clocks, snapshotBytesMin: 1 })
  await again.streams.settings.changeTags('s', [{ key: 'k', value: 'v' }], [])
  await again.close()
  const last = await openStreams(dir, { clocks })
  expect((await failure(last.streams.settings.setMode('s', 'PROVISIONED')))[0]).toBe(
    'LIMIT_EXCEEDED',
  )
  clocks.pass(23 * hour)
  await set(last.streams, () => last.streams.settings.setMode('s', 'PROVISIONED'))
  expect(last.streams.require('s')).toMatchObject({
    mode: 'PROVISIONED',
    modeSwitches: [clocks.wallMillis - 23 * hour, clocks.wallMillis],
  })
  // A clock that was wrong keeps nobody from switching.
  clocks.wallMillis -= 400 * 24 * hour
  await set(last.streams, () => last.streams.settings.setMode('s', 'ON_DEMAND'))
  await last.close()
})

test('all that is set is there after a restart, and from a snapshot', async () => {
  const { streams, dir, close, clocks } = await made('PROVISIONED')
  await set(streams, () => streams.settings.setRetentionBytes('s', 5 * mib))
  await set(streams, () => streams.settings.increaseRetention('s', 100))
  await set(streams, () => streams.settings.setRecordBytesMax('s', 10 * mib))
  const { shards: _, ...before } = streams.require('s')
  expect(before).toMatchObject({
    mode: 'PROVISIONED',
    retentionBytes: 5 * mib,
    retentionPeriodHours: 100,
    recordBytesMax: 10 * mib,
  })
  await close()
  for (const snapshotBytesMin of [1, 1, 2 ** 30]) {
    const opened = await openStreams(dir, { clocks, snapshotBytesMin })
    expect(opened.streams.require('s')).toMatchObject(before)
    await opened.streams.settings.changeTags('s', [], ['k'])
    await opened.close()
  }
})
