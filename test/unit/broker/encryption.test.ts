/** Streams that are encrypted on disk, from the key file to the reader. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Broker, type BrokerOptions } from '../../../src/broker/broker.ts'
import { encryptionChangesMax } from '../../../src/limits.ts'
import type { ShardId } from '../../../src/log/log.ts'
import { openLog } from '../../../src/log/native-log.ts'
import { BatchBuilder } from '../../../src/wire/batch-builder.ts'
import {
  startStreamEncryption,
  stopStreamEncryption,
} from '../../../src/wire/encryption-operations.ts'
import {
  describeStream,
  describeStreamSummary,
  listShards,
  splitShard,
} from '../../../src/wire/operations.ts'
import {
  decreaseStreamRetentionPeriod,
  increaseStreamRetentionPeriod,
} from '../../../src/wire/setting-operations.ts'
import {
  failure,
  iteratorOf,
  logOptions,
  makeBroker,
  makeStream,
  put,
  putMany,
  putSealed,
  readShard,
  type TestBroker,
  temporaryDirectory,
  textRecord,
  untilActive,
} from './harness.ts'

const streamName = 's'
const to = { streamName }
const canary = 'a canary that nobody is to find'
const keyCanary = 'customer-canary'

class KeyFile {
  readonly path = join(temporaryDirectory(), 'keys')

  constructor(...ids: string[]) {
    this.write(...ids)
  }

  /** A key of its own for each id; another one after a colon. */
  write(...ids: string[]): void {
    const lines = ids.map((it) => {
      const [id, letter = id.at(-1)] = it.split(':') as [string, string?]
      return `${id} ${this.secret(letter as string)}\n`
    })
    writeFileSync(this.path, lines.join(''), { mode: 0o600 })
  }

  secret(letter: string): string {
    return Buffer.alloc(32, letter).toString('base64')
  }
}

async function encrypted(keys: KeyFile, options: Partial<BrokerOptions> = {}): Promise<TestBroker> {
  const made = await makeBroker({ keyFile: keys.path, ...options })
  await makeStream(made.broker, streamName, 1, { streamMode: 'PROVISIONED' })
  await start(made, 'k1')
  return made
}

async function start({ broker }: TestBroker, keyId: string): Promise<void> {
  await broker.call(startStreamEncryption, { streamName, encryptionType: 'KMS', keyId })
  await untilActive(broker, streamName)
}

async function stop({ broker }: TestBroker, keyId: string): Promise<void> {
  await broker.call(stopStreamEncryption, { streamName, encryptionType: 'KMS', keyId })
  await untilActive(broker, streamName)
}

async function texts({ broker }: TestBroker, shardId = '0'): Promise<string[]> {
  return (await readShard(broker, streamName, shardId)).map((it) => it.text)
}

/** The files below a directory that have these bytes in them. */
function filesWith(directory: string, wanted: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((it) => it.isFile())
    .map((it) => join(it.parentPath, it.name))
    .filter((path) => readFileSync(path).includes(wanted))
}

test('Kinesis 6.2: records are encrypted from then on, and read as before', async () => {
  const made = await makeBroker({ keyFile: new KeyFile('k1').path })
  await makeStream(made.broker, streamName)
  await put(made.broker, to, textRecord('a', 'in plain text'))
  const before = await made.broker.call(describeStreamSummary, to)
  expect(before.encryptionType).toBeUndefined()
  await start(made, 'k1')
  const fields = { encryptionType: 'KMS', keyId: 'k1' }
  expect(await made.broker.call(describeStreamSummary, to)).toMatchObject(fields)
  expect(await made.broker.call(describeStream, to)).toMatchObject(fields)
  await put(made.broker, to, textRecord(keyCanary, canary))
  expect(await texts(made)).toEqual(['in plain text', canary])
  expect(filesWith(made.dir, 'in plain text')).not.toEqual([])
  expect(filesWith(made.dir, canary)).toEqual([])
  await stop(made, 'k1')
  expect((await made.broker.call(describeStreamSummary, to)).keyId).toBeUndefined()
  await put(made.broker, to, textRecord('a', 'in plain text again'))
  expect(await texts(made)).toEqual(['in plain text', canary, 'in plain text again'])
  expect(filesWith(made.dir, 'in plain text again')).not.toEqual([])
})

test('every way to put encrypts, and no file has keys or data of records, or the key', async () => {
  const keys = new KeyFile('k1')
  const made = await encrypted(keys)
  const { broker } = made
  const producer = { producerId: 7n, producerSequence: 1 }
  await put(broker, to, textRecord(keyCanary, canary))
  await put(broker, { ...to, durability: 'os' }, textRecord(keyCanary, canary))
  const many = [textRecord(keyCanary, canary), textRecord('b', canary)]
  const first = await putMany(broker, { ...to, producer }, many)
  expect(await putMany(broker, { ...to, producer }, many)).toEqual(first)
  const builder = new BatchBuilder()
  builder.add(keyCanary, new TextEncoder().encode(canary))
  const { bytes: records, count } = builder
  await putSealed(broker, to, { shardIndex: 0, count, records })
  expect(await texts(made)).toEqual([canary, canary, canary, canary, canary])
  const search = () => {
    for (const text of [canary, keyCanary, keys.secret('1'), '1'.repeat(32)]) {
      expect(filesWith(made.dir, text), text).toEqual([])
    }
  }
  search()
  await made.reopen()
  search()
  expect(await texts(made)).toHaveLength(5)
})

test('goes on after a restart, through a split and with other settings', async () => {
  const made = await encrypted(new KeyFile('k1'), { catalogSnapshotBytesMin: 1 })
  await put(made.broker, to, textRecord('a', `${canary} 1`))
  await made.reopen()
  const split = { streamName, shardToSplit: '0', newStartingHashKey: 2n ** 127n }
  await made.broker.call(splitShard, split)
  await untilActive(made.broker, streamName)
  await made.broker.call(increaseStreamRetentionPeriod, { streamName, retentionPeriodHours: 48 })
  await untilActive(made.broker, streamName)
  await made.reopen()
  for (const key of ['a', 'b', 'c', 'd']) {
    await put(made.broker, to, textRecord(key, `${canary} 2`))
  }
  const { shards } = await made.broker.call(listShards, { streamName })
  expect(shards).toHaveLength(3)
  const all = await Promise.all(shards.map((it) => texts(made, it.shardId)))
  expect(all[0]).toEqual([`${canary} 1`])
  expect(all.slice(1).flat()).toHaveLength(4)
  expect(filesWith(made.dir, canary)).toEqual([])
})

test('what is put to the new shards while a shard is being split is encrypted, too', async () => {
  const dir = join(temporaryDirectory(), 'data')
  const inner = await openLog({ ...logOptions, dir, exclusive: true })
  let release = () => undefined as unknown
  const held = new Promise((resolve) => {
    release = () => resolve(undefined)
  })
  const log = new Proxy(inner, {
    get(target, name) {
      if (name === 'sealShards') {
        return async (shards: readonly ShardId[]) => {
          await held
          await target.sealShards(shards)
        }
      }
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const broker = await Broker.over(log, { keyFile: new KeyFile('k1').path })
  onTestFinished(() => {
    release()
    return broker.close()
  })
  await makeStream(broker, streamName, 1, { streamMode: 'PROVISIONED' })
  await broker.call(startStreamEncryption, { streamName, encryptionType: 'KMS', keyId: 'k1' })
  await untilActive(broker, streamName)
  const split = { streamName, shardToSplit: '0', newStartingHashKey: 2n ** 127n }
  await broker.call(splitShard, split)
  const shardOfPut = async () => (await put(broker, to, textRecord('a', canary))).shardId
  await expect.poll(shardOfPut, { interval: 2, timeout: 10_000 }).toMatch(/0[12]$/)
  expect((await broker.call(describeStreamSummary, to)).streamStatus).toBe('UPDATING')
  expect(filesWith(dir, canary)).toEqual([])
  release()
  await untilActive(broker, streamName)
})

test('a new key is taken from the file at once, and old records want the old one', async () => {
  const keys = new KeyFile('k1')
  const made = await encrypted(keys)
  await put(made.broker, to, textRecord('a', 'with k1'))
  keys.write('k1', 'k2')
  await start(made, 'k2')
  await put(made.broker, to, textRecord('a', 'with k2'))
  expect(await texts(made)).toEqual(['with k1', 'with k2'])
  keys.write('k2')
  expect(await made.broker.reloadKeys()).toBe(1)
  const error = await failure(texts(made))
  expect(error).toMatchObject({ code: 'KEY_NOT_FOUND' })
  expect(error.message).toContain('k1')
  await put(made.broker, to, textRecord('a', 'with k2 again'))
  keys.write('k1', 'k2')
  await made.broker.reloadKeys()
  expect(await texts(made)).toEqual(['with k1', 'with k2', 'with k2 again'])
})

test('without its key a stream takes nothing, and all else goes on', async () => {
  const keys = new KeyFile('k1', 'k2')
  const made = await encrypted(keys)
  await put(made.broker, to, textRecord('a', 'one'))
  await makeStream(made.broker, 'other')
  keys.write('k2')
  await made.reopen()
  const { broker } = made
  await put(broker, { streamName: 'other' }, textRecord('a', 'plain'))
  expect(await readShard(broker, 'other', '0')).toHaveLength(1)
  const records = [textRecord('a', canary), textRecord('b', canary)]
  for (const refused of [
    put(broker, to, textRecord('a', canary)),
    // As a whole, as Kinesis does.
    putMany(broker, to, records),
    texts(made),
  ]) {
    const error = await failure(refused)
    expect(error).toMatchObject({ code: 'KEY_NOT_FOUND', retryable: false })
    expect(error.message).toMatch(/key k1\b/)
    expect(error.message).toMatch(/--key-file/)
  }
  // What needs no key works.
  await broker.call(increaseStreamRetentionPeriod, { streamName, retentionPeriodHours: 48 })
  await untilActive(broker, streamName)
  await broker.call(decreaseStreamRetentionPeriod, { streamName, retentionPeriodHours: 24 })
  await untilActive(broker, streamName)
  const timestamp = made.clock.millis - 1000
  await iteratorOf(broker, {
    streamName,
    shardId: '0',
    shardIteratorType: 'AT_TIMESTAMP',
    timestamp,
  })
  expect(filesWith(made.dir, canary)).toEqual([])
  keys.write('k1')
  await broker.reloadKeys()
  await put(broker, to, textRecord('a', 'two'))
  expect(await texts(made)).toEqual(['one', 'two'])
})

test('a broker without a key file says which setting is missing', async () => {
  const made = await encrypted(new KeyFile('k1'))
  await made.broker.close()
  const { broker } = await makeBroker({ dir: made.dir })
  const error = await failure(put(broker, to, textRecord('a', 'x')))
  expect(error).toMatchObject({ code: 'KEY_NOT_FOUND' })
  expect(error.message).toMatch(/key k1.*keyFile \(--key-file, MILLRACE_KEY_FILE\)/)
})

test('another key under the same id is told from the right one, and never used', async () => {
  const keys = new KeyFile('k1')
  const made = await encrypted(keys)
  await put(made.broker, to, textRecord('a', 'one'))
  keys.write('k1:x')
  await made.broker.reloadKeys()
  const refused = [put(made.broker, to, textRecord('a', 'x')), texts(made), start(made, 'k1')]
  for (const it of refused) {
    const error = await failure(it)
    expect(error).toMatchObject({ code: 'KEY_MISMATCH' })
    expect(error.message).not.toContain(keys.secret('x'))
  }
  keys.write('k1')
  await made.broker.reloadKeys()
  await put(made.broker, to, textRecord('a', 'two'))
  expect(await texts(made)).toEqual(['one', 'two'])
})

test('Kinesis 1.4: what is refused, and that nothing changes then', async () => {
  const keys = new KeyFile('k1', 'k2')
  const made = await makeBroker({ keyFile: keys.path })
  await makeStream(made.broker, streamName)
  const call = (name: string, keyId: string) =>
    failure(
      made.broker.call(startStreamEncryption, { streamName: name, encryptionType: 'KMS', keyId }),
    )
  expect(await call('missing', 'k1')).toMatchObject({ code: 'STREAM_NOT_FOUND' })
  expect(await call('s', 'k9')).toMatchObject({
    code: 'KEY_NOT_FOUND',
    message: expect.stringMatching(
      / has no key k9; it has k1.*\. Make it with: millrace key new k9 /,
    ),
  })
  writeFileSync(keys.path, 'k1\n')
  expect(await call('s', 'k1')).toMatchObject({ code: 'KEY_FILE_REFUSED' })
  keys.write('k1', 'k2')
  expect((await made.broker.call(describeStreamSummary, to)).keyId).toBeUndefined()
  await start(made, 'k1')
  const other = { streamName, encryptionType: 'KMS', keyId: 'k2' } as const
  expect(await failure(made.broker.call(stopStreamEncryption, other))).toMatchObject({
    code: 'INVALID_ARGUMENT',
  })
  expect(await made.broker.call(describeStreamSummary, to)).toMatchObject({ keyId: 'k1' })
})

test('a stream that is not ACTIVE is STREAM_IN_USE', async () => {
  const made = await makeBroker({ keyFile: new KeyFile('k1').path })
  await makeStream(made.broker, streamName)
  const request = { streamName, encryptionType: 'KMS', keyId: 'k1' } as const
  await made.broker.call(increaseStreamRetentionPeriod, { streamName, retentionPeriodHours: 48 })
  const error = await failure(made.broker.call(startStreamEncryption, request))
  expect(error).toMatchObject({ code: 'STREAM_IN_USE' })
})

test('Kinesis 6.2: 25 changes within 24 hours; what changes nothing counts nothing', async () => {
  const made = await makeBroker({ keyFile: new KeyFile('k1').path })
  await makeStream(made.broker, streamName)
  for (let change = 0; change < encryptionChangesMax; change += 1) {
    if (change % 2 === 0) await start(made, 'k1')
    else await stop(made, 'k1')
  }
  await start(made, 'k1')
  const error = await failure(stop(made, 'k1'))
  expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED', retryAfterMs: 24 * 3_600_000 })
  await made.reopen()
  made.clock.millis += 24 * 3_600_000 - 1
  expect(await failure(stop(made, 'k1'))).toMatchObject({ retryAfterMs: 1 })
  made.clock.millis += 1
  await stop(made, 'k1')
})

test('a broker is not opened with a key file that is wrong', async () => {
  const keys = new KeyFile('k1')
  writeFileSync(keys.path, 'k1 x\n')
  expect(await failure(makeBroker({ keyFile: keys.path }))).toMatchObject({
    code: 'KEY_FILE_REFUSED',
  })
})
