import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { subscriptionCreditBytesMax } from '../../../src/limits.ts'
import { packMessage, unpackMessage } from '../../../src/wire/codec.ts'
import { decodeBrokerFrame, encodeAnswer, encodeWelcome } from '../../../src/wire/frame.ts'
import { operationsByOpcode } from '../../../src/wire/operations.ts'
import {
  credit,
  decodeCredit,
  decodePush,
  encodeCredit,
  encodePush,
  gap,
  heartbeat,
  isCreditFrame,
  isSliceFrame,
  type Push,
  pushesByOpcode,
  shardNumberOfSlice,
  subscriptionEnded,
} from '../../../src/wire/pushes.ts'
import { isPutFrame } from '../../../src/wire/put-frame.ts'
import { unsubscribe } from '../../../src/wire/subscription-operations.ts'
import { makeBatch, makeRecords } from '../../support/slices.ts'
import { arbitraryFields } from '../../support/wire-arbitraries.ts'

const pushes = [...pushesByOpcode.values()]
const violation = expect.objectContaining({ code: 'PROTOCOL_VIOLATION' })
const numRuns = 100

describe.each(pushes.map((it) => [it.name, it] as const))('%s', (_, push: Push) => {
  it('encodes and decodes anything, also with elements that a newer broker adds', () => {
    const more = fc.array(fc.constantFrom(null, 1, 'new'), { maxLength: 2 })
    fc.assert(
      fc.property(arbitraryFields(push.fields), more, (fields, added) => {
        const bytes = encodePush(push, fields)
        expect([bytes[1], isSliceFrame(bytes)]).toEqual([push.opcode, false])
        const newer = packMessage([...unpackMessage(bytes, { elementsMax: 10_000 }), ...added])
        expect(decodePush(push, newer)).toEqual(fields)
      }),
      { numRuns },
    )
  })

  it('is nothing for whoever asks for answers', () => {
    const [fields] = fc.sample(arbitraryFields(push.fields), { numRuns: 1, seed: 2 })
    const frame = decodeBrokerFrame(encodePush(push, fields as never))
    expect(frame).toEqual({ kind: 'unknown', opcode: push.opcode })
  })

  it('is a violation where it cannot be decoded', () => {
    expect(() => decodePush(push, packMessage([push.opcode]))).toThrow(violation)
    expect(() => decodePush(push, packMessage([push.opcode, -1, -1, -1, -1]))).toThrow(violation)
    expect(() => decodePush(push, Uint8Array.of(0x91))).toThrow(violation)
  })
})

it('opcodes of pushes and of credit are of nothing else', () => {
  const opcodes = [...pushesByOpcode.keys(), credit.opcode, ...operationsByOpcode.keys()]
  expect(new Set(opcodes).size).toBe(opcodes.length)
  for (const opcode of pushesByOpcode.keys()) {
    expect(opcode).toBeGreaterThanOrEqual(0x41)
    expect(opcode).toBeLessThanOrEqual(0x4f)
  }
})

it('a bound that a push passes is a violation that names the field', () => {
  const bad = packMessage([gap.opcode, 1, 7n, 'STOLEN', 1n, null])
  expect(() => decodePush(gap, bad)).toThrow(/^Gap: reason is "STOLEN"/)
  expect(() => decodePush(gap, bad)).toThrow(violation)
})

it('what is missing in a push is not there', () => {
  expect(
    decodePush(subscriptionEnded, encodePush(subscriptionEnded, { subscriptionId: 3 })),
  ).toEqual({ subscriptionId: 3 })
})

it('a heartbeat has as many shards as an answer has elements, and not more', () => {
  const shards = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      shardNumber: BigInt(i),
      nextSequenceNumber: 2n ** 63n,
      millisBehindLatest: 2 ** 33,
    }))
  const fields = { subscriptionId: 2 ** 32 - 1, shards: shards(10_000) }
  expect(decodePush(heartbeat, encodePush(heartbeat, fields))).toEqual(fields)
  const more = encodePush(heartbeat, { subscriptionId: 1, shards: shards(10_001) })
  expect(() => decodePush(heartbeat, more)).toThrow(violation)
})

describe('credit', () => {
  it('encodes and decodes, and is neither a put nor a slice', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), fc.integer({ min: 1, max: 2 ** 53 - 1 }), (id, returned) => {
        const bytes = encodeCredit(id, returned)
        expect([bytes[0], bytes[1]]).toEqual([0x93, 0x50])
        expect([isCreditFrame(bytes), isPutFrame(bytes), isSliceFrame(bytes)]).toEqual([
          true,
          false,
          false,
        ])
        expect(decodeCredit(bytes)).toEqual({ subscriptionId: id, bytes: returned })
      }),
      { numRuns },
    )
  })

  const { opcode } = credit
  const bad: Readonly<Record<string, Uint8Array>> = {
    'of nothing': packMessage([opcode, 1, 0]),
    negative: packMessage([opcode, 1, -1]),
    'negative, of 64 bits': packMessage([opcode, 1, -(2n ** 40n)]),
    'with a fraction': packMessage([opcode, 1, 0.5]),
    'a whole number, but a float': Uint8Array.of(0x93, opcode, 1, 0xca, 0x44, 0x80, 0, 0),
    'beyond 2^53': packMessage([opcode, 1, 2n ** 53n]),
    missing: packMessage([opcode, 1]),
    nil: packMessage([opcode, 1, null]),
    text: packMessage([opcode, 1, '94']),
    'of a negative id': packMessage([opcode, -1, 94]),
    'of an id beyond 32 bits': packMessage([opcode, 2n ** 32n, 94]),
    'of no id': packMessage([opcode, null, 94]),
    'with an element too many': packMessage([opcode, 1, 94, null]),
    'with bytes behind it': Buffer.concat([encodeCredit(1, 94), Uint8Array.of(0)]),
    'cut short': encodeCredit(1, 94).subarray(0, 3),
    'of one byte': Uint8Array.of(0x93, opcode),
  }

  it.each(Object.entries(bad))('%s is a violation', (_, frame) => {
    expect(isCreditFrame(frame)).toBe(true)
    expect(() => decodeCredit(frame)).toThrow(violation)
  })

  it('is counted by whoever has the subscription: any amount is one here', () => {
    expect(decodeCredit(encodeCredit(0, subscriptionCreditBytesMax + 1))).toEqual({
      subscriptionId: 0,
      bytes: subscriptionCreditBytesMax + 1,
    })
  })

  it('takes any bytes that begin as it does or refuses them', () => {
    const rest = fc.uint8Array({ maxLength: 40 })
    fc.assert(
      fc.property(rest, (it) => {
        const frame = Uint8Array.of(0x93, opcode, ...it)
        try {
          const { subscriptionId, bytes } = decodeCredit(frame)
          expect(Number.isSafeInteger(bytes) && bytes > 0 && subscriptionId >= 0).toBe(true)
        } catch (error) {
          expect(error).toEqual(violation)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('slices', () => {
  const { bytes, count } = makeRecords(['a', 3], ['b', 0])

  it('are told from all other frames by their first two bytes', () => {
    expect(isSliceFrame(makeBatch(1n, bytes, count))).toBe(true)
    const others = [
      encodeWelcome({
        protocolVersion: 1,
        brokerVersion: '1',
        frameBytesMax: 1,
        requestsInFlightMax: 1,
      }),
      encodeAnswer(unsubscribe, 0xce, {}),
      // An array of 11, too: its second byte is an opcode.
      packMessage([0x7f, ...Array.from({ length: 10 }, () => 0xce)]),
      Uint8Array.of(0x9b),
      new Uint8Array(),
      Uint8Array.of(0x9a, 0xce),
    ]
    for (const frame of others) expect(isSliceFrame(frame)).toBe(false)
  })

  it('say which shard they are of, also those of a view into something larger', () => {
    const batch = Uint8Array.from(makeBatch(1n, bytes, count))
    const view = new DataView(batch.buffer)
    const wide = new Uint8Array(batch.length + 16)
    for (const shard of [1n, 255n, 2n ** 32n - 1n, 2n ** 32n + 5n, 2n ** 53n - 1n]) {
      view.setBigUint64(7, shard)
      expect(shardNumberOfSlice(batch)).toBe(Number(shard))
      wide.set(batch, 9)
      expect(shardNumberOfSlice(wide.subarray(9))).toBe(Number(shard))
    }
  })
})
