import { decode } from '@msgpack/msgpack'
import { describe, expect, it } from 'vitest'
import { frameBytesMax } from '../../../src/limits.ts'
import { BatchBuilder } from '../../../src/wire/batch-builder.ts'
import {
  encodePutBatch,
  encodePutRecord,
  encodePutRecords,
  PutRecordsBuilder,
  stampRequestId,
} from '../../../src/wire/put-builder.ts'
import { isPutFrame, readPutBatchBody, readPutHead } from '../../../src/wire/put-frame.ts'

const data = Uint8Array.of(1, 2, 3)
const record = { key: 'key-1', data }
const reference = (frame: Uint8Array) => decode(frame, { useBigInt64: true }) as unknown[]

describe('frames of puts, as a MessagePack library reads them', () => {
  it('have one record, without anything that was not given', () => {
    const frame = encodePutRecord(7, { streamName: 'orders' }, record)
    expect(reference(frame)).toEqual([0x20, 7, 'orders', null, [['key-1', data]], null, 0n, 0])
  })

  it('have many records, hash keys where there are some, and a producer', () => {
    const frame = encodePutRecords(
      2 ** 32 - 1,
      { streamName: 'a'.repeat(128), durability: 'os' },
      [record, { ...record, explicitHashKey: 2n ** 127n + 5n }, { key: 'é', data }],
      { producerId: 2n ** 64n - 1n, producerSequence: 2 ** 32 - 1 },
    )
    const hashKey = Uint8Array.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5])
    expect(reference(frame)).toEqual([
      0x21,
      2 ** 32 - 1,
      'a'.repeat(128),
      'os',
      [
        ['key-1', data],
        ['key-1', data],
        ['é', data],
      ],
      [null, hashKey, null],
      2n ** 64n - 1n,
      2 ** 32 - 1,
    ])
  })

  it('have a packed batch', () => {
    const builder = new BatchBuilder()
    builder.add('k', data)
    const frame = encodePutBatch(
      1,
      { streamName: 's', durability: 'disk' },
      { shardIndex: 300, count: builder.count, records: builder.bytes },
      { producerId: 5n, producerSequence: 6 },
    )
    expect(reference(frame)).toEqual([0x24, 1, 's', 'disk', 300, 1, 0, 5n, 6, builder.bytes])
  })

  it('are built one after the other, each in memory of its own', () => {
    const builder = new PutRecordsBuilder({ streamName: 'orders' }, 8)
    const frames = []
    for (let request = 1; request <= 20; request += 1) {
      for (let i = 0; i < request; i += 1) {
        builder.add(
          `key-${request}-${i}`,
          new Uint8Array(i).fill(request),
          i === 3 ? 1n : undefined,
        )
      }
      expect(builder.count).toBe(request)
      frames.push(builder.finish(request))
      expect(builder.count).toBe(0)
    }
    frames.forEach((frame, index) => {
      const [, id, , , records, keys] = reference(frame) as [0, number, 0, 0, unknown[], unknown]
      expect(id).toBe(index + 1)
      expect(records.length).toBe(index + 1)
      expect(records.at(-1)).toEqual([`key-${id}-${index}`, new Uint8Array(index).fill(id)])
      expect(Array.isArray(keys)).toBe(index >= 3)
    })
    const last = frames.at(-1) as Uint8Array<ArrayBuffer>
    builder.recycle(last)
    builder.add('again', data)
    const frame = builder.finish(99)
    expect(frame.buffer).toBe(last.buffer)
    expect(reference(frame)).toEqual([0x21, 99, 'orders', null, [['again', data]], null, 0n, 0])
  })

  it('are as large as a record may be, and small again after that', () => {
    const large = new Uint8Array(10 * 1024 * 1024 - 5).fill(9)
    const target = { streamName: 'orders' }
    const frame = encodePutRecord(1, target, { key: 'large', data: large })
    expect(frame.length).toBeLessThan(frameBytesMax)
    const [, , , , records] = reference(frame) as [0, 0, 0, 0, [string, Uint8Array][]]
    expect(records[0]?.[0]).toBe('large')
    expect(Buffer.compare(records[0]?.[1] as Uint8Array, large)).toBe(0)
    const small = encodePutRecord(2, target, record)
    expect(reference(small)[4]).toEqual([['key-1', data]])
    expect(small.buffer.byteLength).toBeLessThan(100_000)
  })

  it('allocate once when they are all alike, whatever is reserved behind the records', () => {
    const builder = new PutRecordsBuilder({ streamName: 'orders' })
    const frames = Array.from({ length: 6 }, (_, request) => {
      for (let i = 0; i < 500; i += 1) builder.add(`key-${i}`, new Uint8Array(100), BigInt(i))
      return builder.finish(request)
    })
    for (const frame of frames.slice(2)) {
      expect(frame.buffer.byteLength).toBeLessThan(frame.length * 1.3)
    }
  })

  it('get another request id in place', () => {
    const frame = encodePutRecord(7, { streamName: 'orders' }, record)
    stampRequestId(frame, 70_000)
    expect(reference(frame)[1]).toBe(70_000)
    expect(readPutHead(frame).requestId).toBe(70_000)
  })

  it('are refused by name when an argument is bad, and nothing is added', () => {
    expect(() => encodePutRecord(1, { streamName: 'no spaces' }, record)).toThrow(/streamName/)
    const builder = new PutRecordsBuilder({ streamName: 's' })
    expect(() => builder.add('k', data, 2n ** 128n)).toThrow(/hash key is/)
    expect(() => builder.add('k', data, 5 as unknown as bigint)).toThrow(TypeError)
    expect(() => builder.add('', data, 5n)).toThrow(RangeError)
    expect(builder.count).toBe(0)
    builder.add('k', data)
    expect(reference(builder.finish(1)).slice(4)).toEqual([[['k', data]], null, 0n, 0])
  })
})

describe('the head of a put', () => {
  it('is read from what the builders write', () => {
    const frame = encodePutRecords(70_000, { streamName: 'x.y-z_9', durability: 'os' }, [record])
    expect(isPutFrame(frame)).toBe(true)
    const head = readPutHead(frame)
    expect(head).toEqual({
      opcode: 0x21,
      requestId: 70_000,
      streamName: 'x.y-z_9',
      durability: 'os',
      bodyAt: head.bodyAt,
      refusal: undefined,
    })
    expect([...frame.subarray(head.bodyAt, head.bodyAt + 5)]).toEqual([0xdc, 0, 1, 0x92, 0xa5])
  })

  it('is read from any legal encoding', () => {
    const numbers = [[5], [0xcc, 5], [0xcd, 0, 5], [0xce, 0, 0, 0, 5], [0xd0, 5], [0xd1, 0, 5]]
    numbers.push([0xcf, 0, 0, 0, 0, 0, 0, 0, 5], [0xd2, 0, 0, 0, 5], [0xd3, 0, 0, 0, 0, 0, 0, 0, 5])
    const names = [[0xa1], [0xd9, 1], [0xda, 0, 1], [0xdb, 0, 0, 0, 1]].map((it) => [...it, 0x73])
    for (const number of numbers) {
      for (const name of names) {
        const frame = Uint8Array.from([0x98, 0x21, ...number, ...name, 0xc0, 0x90, 0xc0, 0, 0])
        expect(readPutHead(frame)).toMatchObject({
          requestId: 5,
          streamName: 's',
          refusal: undefined,
        })
      }
    }
  })

  it('says of a field out of its bounds what to answer', () => {
    const head = (bytes: number[]) =>
      readPutHead(Uint8Array.from([0x98, bytes[0] as number, 9, ...bytes.slice(1), 0, 0])).refusal
    const invalid = { code: 'INVALID_ARGUMENT' }
    expect(head([0x21, 0xa0, 0xc0, 0x91])).toMatchObject(invalid)
    expect(head([0x21, 0xa1, 0x20, 0xc0, 0x91])).toMatchObject(invalid)
    expect(head([0x21, 0xa2, 0xc3, 0xa9, 0xc0, 0x91])).toMatchObject(invalid)
    expect(head([0x21, 0xa1, 0xff, 0xc0, 0x91])).toMatchObject(invalid)
    expect(head([0x21, 0xd9, 129, ...Array(129).fill(0x61), 0xc0])).toMatchObject(invalid)
    expect(head([0x21, 0xd9, 128, ...Array(128).fill(0x61), 0xc0])).toBe(undefined)
    expect(head([0x21, 0xa1, 0x73, 0xa2, 0x6f, 0x74, 0x91])).toMatchObject(invalid)
    expect(head([0x21, 0xa1, 0x73, 0xa2, 0x6f, 0x73, 0x91])).toBe(undefined)
    expect(head([0x20, 0xa1, 0x73, 0xc0, 0x92])).toMatchObject(invalid)
    expect(head([0x20, 0xa1, 0x73, 0xc0, 0xdc, 0, 2])).toMatchObject(invalid)
    expect(head([0x20, 0xa1, 0x73, 0xc0, 0xdd, 0, 0, 0, 1])).toBe(undefined)
    expect(head([0x20, 0xa1, 0x73, 0xc0, 0xc0])).toBe(undefined)
  })

  it('is refused when it cannot be read', () => {
    const frame = encodePutRecord(7, { streamName: 'orders', durability: 'disk' }, record)
    const { bodyAt } = readPutHead(frame)
    for (let cut = 2; cut < bodyAt; cut += 1) {
      expect(() => readPutHead(frame.subarray(0, cut)), `cut at ${cut}`).toThrow(/byte \d+: wanted/)
    }
    for (const bytes of [
      [0x97, 0x21, 1, 0xa1, 0x73, 0xc0],
      [0x99, 0x24, 1, 0xa1, 0x73, 0xc0],
      [0x98, 0x21, 0xff, 0xa1, 0x73, 0xc0],
      [0x98, 0x21, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0, 0xa1, 0x73, 0xc0],
      [0x98, 0x21, 0xd0, 0x80, 0xa1, 0x73, 0xc0],
      [0x98, 0x21, 1, 0xc4, 1, 0x73, 0xc0],
      [0x98, 0x21, 1, 0xdb, 0xff, 0xff, 0xff, 0xff, 0x73, 0xc0],
      [0x98, 0x21, 1, 0xa1, 0x73, 0xc3],
    ]) {
      expect(() => readPutHead(Uint8Array.from(bytes))).toThrow(
        expect.objectContaining({ code: 'PROTOCOL_VIOLATION' }),
      )
    }
  })

  it('is asked for only where the frame looks like a put', () => {
    for (const bytes of [[], [0x98], [0x98, 0x22], [0xdc, 0x21], [0x21, 0x21]]) {
      expect(isPutFrame(Uint8Array.from(bytes))).toBe(false)
    }
    expect(isPutFrame(Uint8Array.of(0x91, 0x24))).toBe(true)
  })
})

describe('the body of a PutBatch', () => {
  const records = Uint8Array.of(0x92, 0xa1, 0x6b, 0xc4, 0)
  const frame = encodePutBatch(
    1,
    { streamName: 's' },
    { shardIndex: 70_000, count: 1, codec: 3, records },
    { producerId: 2n ** 64n - 1n, producerSequence: 2 ** 32 - 1 },
  )
  const { bodyAt } = readPutHead(frame)

  it('is read without a copy', () => {
    const body = readPutBatchBody(frame, bodyAt)
    expect(body).toEqual({
      shardIndex: 70_000,
      count: 1,
      codec: 3,
      producerId: 2n ** 64n - 1n,
      producerSequence: 2 ** 32 - 1,
      records,
    })
    expect(body.records.buffer).toBe(frame.buffer)
  })

  it('is refused, to be answered, when it is cut short, too long or out of bounds', () => {
    for (let cut = bodyAt; cut < frame.length; cut += 1) {
      expect(() => readPutBatchBody(frame.subarray(0, cut), bodyAt)).toThrow(/wanted/)
    }
    expect(() => readPutBatchBody(Uint8Array.from([...frame, 0]), bodyAt)).toThrow(/the end/)
    const body = (...bytes: number[]) => readPutBatchBody(Uint8Array.from(bytes), 0)
    expect(() => body(0, 0, 0, 0, 0, 0xc4, 0)).toThrow(/count is 0/)
    expect(() => body(0, 0xce, 0, 0x10, 0, 1, 0, 0, 0, 0xc4, 0)).toThrow(/count is 1048577/)
    expect(() => body(0xce, 0x80, 0, 0, 0, 1, 0, 0, 0, 0xc4, 0)).toThrow(/shardIndex is/)
    expect(() => body(0, 1, 0xcd, 1, 0, 0, 0, 0xc4, 0)).toThrow(/codec is 256/)
    expect(() => body(0, 1, 0, 0, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0, 0xc4, 0)).toThrow(/Sequence is/)
    expect(() => body(0, 1, 0, 0xd3, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0xc4, 0)).toThrow(/producerId/)
  })
})
