import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Millrace, type MillraceError } from '../../src/index.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-embedded-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'data')
}

const logOptions = { diskLowWaterBytes: 1 }
const text = (data: Uint8Array) => new TextDecoder().decode(data)
const bytes = (data: string) => new TextEncoder().encode(data)

async function failure(promise: Promise<unknown>): Promise<MillraceError> {
  return await promise.then(
    () => expect.unreachable('the call worked'),
    (error: MillraceError) => error,
  )
}

test('the operations work in a program, without a socket, and are there after it', async () => {
  const dir = temporaryDirectory()
  {
    await using millrace = await Millrace.open({ dir, logOptions })
    await millrace.createStream('orders', { shardCount: 1 })
    expect((await millrace.describeStreamSummary('orders')).streamStatus).toBe('ACTIVE')
    expect(await millrace.put('orders', { key: 'a', data: bytes('one') })).toEqual({
      shardId: 'shardId-000000000000',
      sequenceNumber: 1n,
      durability: 'disk',
    })
    const answer = await millrace.putRecords(
      'orders',
      [
        { key: 'a', data: bytes('two') },
        { key: 'b', data: bytes('three') },
      ],
      { durability: 'os' },
    )
    expect(answer.failedRecordCount).toBe(0)
    expect(answer.records.map((it) => it.sequenceNumber)).toEqual([2n, 3n])
    const producer = millrace.producer('orders')
    await producer.put({ key: 'c', data: bytes('four') })
    await producer.close()
    expect((await failure(Millrace.open({ dir, logOptions }))).code).toBe('LOG_LOCKED')
  }
  await using again = await Millrace.open({ dir, logOptions })
  const iterator = await again.getShardIterator('orders', {
    shardId: '0',
    shardIteratorType: 'TRIM_HORIZON',
  })
  const { records } = await again.getRecords(iterator)
  expect(Array.from(records, (it) => text(it.data))).toEqual(['one', 'two', 'three', 'four'])
})

test('a directory under another name is the same directory', async () => {
  const dir = temporaryDirectory()
  await using _ = await Millrace.open({ dir, logOptions })
  const link = `${dir}-link`
  symlinkSync(dir, link)
  expect((await failure(Millrace.open({ dir: link, logOptions }))).code).toBe('LOG_LOCKED')
})

test('errors are those of a broker, misuse is named, and a closed one says so', async () => {
  const millrace = await Millrace.open({ dir: temporaryDirectory(), logOptions })
  expect((await failure(millrace.describeStream('missing'))).code).toBe('STREAM_NOT_FOUND')
  const record = { key: 'k', data: bytes('x') }
  expect((await failure(millrace.put('missing', record))).code).toBe('STREAM_NOT_FOUND')
  expect((await failure(millrace.createStream('no/name'))).code).toBe('INVALID_ARGUMENT')
  const wrong = { shardCount: '2' as unknown as number }
  expect(await failure(millrace.createStream('s', wrong))).toBeInstanceOf(TypeError)
  const signal = AbortSignal.abort(new Error('enough'))
  expect((await failure(millrace.put('s', record, { signal }))).message).toBe('enough')
  expect((await failure(millrace.listStreams({}, { signal }))).message).toBe('enough')
  await millrace.close()
  await millrace.close()
  expect((await failure(millrace.listStreams())).code).toBe('SERVER_CLOSING')
  expect((await failure(millrace.put('s', record))).code).toBe('SERVER_CLOSING')
})

test('a call can be given up while it waits', async () => {
  await using millrace = await Millrace.open({ dir: temporaryDirectory(), logOptions })
  const controller = new AbortController()
  const call = millrace.createStream('s', { shardCount: 1 }, { signal: controller.signal })
  controller.abort(new Error('enough'))
  expect((await failure(call)).message).toBe('enough')
})

test('it is a guest: no handlers of the process are added', async () => {
  const counts = () => process.eventNames().map((it) => [it, process.listenerCount(it)] as const)
  const before = counts()
  const millrace = await Millrace.open({ dir: temporaryDirectory(), logOptions })
  await millrace.createStream('s', { shardCount: 1 })
  expect(counts()).toEqual(before)
  await millrace.close()
})

test('a stream is encrypted with a key of the key file, in a program too', async () => {
  const dir = temporaryDirectory()
  const keyFile = `${dir}.keys`
  const line = (id: string) => `${id} ${Buffer.alloc(32, id).toString('base64')}\n`
  writeFileSync(keyFile, line('k1'), { mode: 0o600 })
  {
    await using millrace = await Millrace.open({ dir, logOptions, keyFile })
    await millrace.createStream('orders', { shardCount: 1 })
    await millrace.startStreamEncryption('orders', 'k1')
    await millrace.untilActive('orders')
    expect(await millrace.describeStreamSummary('orders')).toMatchObject({ keyId: 'k1' })
    await millrace.put('orders', { key: 'a', data: bytes('one') })
    writeFileSync(keyFile, line('k2'), { mode: 0o600 })
    await millrace.reloadKeys()
    const error = await failure(millrace.put('orders', { key: 'a', data: bytes('two') }))
    expect(error.code).toBe('KEY_NOT_FOUND')
    writeFileSync(keyFile, line('k1'), { mode: 0o600 })
    await millrace.reloadKeys()
    await millrace.stopStreamEncryption('orders', 'k1')
  }
  await using again = await Millrace.open({ dir, logOptions, keyFile })
  const from = { shardId: '0', shardIteratorType: 'TRIM_HORIZON' } as const
  const { records } = await again.getRecords(await again.getShardIterator('orders', from))
  expect(Array.from(records, ({ data }) => text(data))).toEqual(['one'])
})
