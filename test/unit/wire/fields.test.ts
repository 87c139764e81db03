import { describe, expect, it } from 'vitest'
import {
  bool,
  bytes,
  type Field,
  hashKey,
  list,
  optional,
  struct,
  text,
  u64,
  uint,
  word,
} from '../../../src/wire/fields.ts'

const violation = expect.objectContaining({ code: 'PROTOCOL_VIOLATION' })
const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' })

/** What a field makes of values: the value, or the code of its refusal. */
function parsed(field: Field<unknown>, ...values: unknown[]): unknown[] {
  return values.map((it) => {
    try {
      return field.parse(it, 'it')
    } catch (error) {
      return (error as { code?: string }).code
    }
  })
}

const V = 'PROTOCOL_VIOLATION'
const I = 'INVALID_ARGUMENT'

describe('fields', () => {
  it('take numbers that are whole and within bounds, in any size', () => {
    expect(parsed(uint(), 0, 5n, 2 ** 53 - 1, 2n ** 53n - 1n)).toEqual([
      0,
      5,
      2 ** 53 - 1,
      2 ** 53 - 1,
    ])
    expect(parsed(uint(), -1, 2n ** 53n, 2n ** 64n, -1n)).toEqual([I, I, I, I])
    expect(parsed(uint(), 0.5, NaN, Infinity, '1', null, undefined, [], true)).toEqual(
      Array(8).fill(V),
    )
    expect(parsed(uint(3, 5), 2, 3, 5, 6)).toEqual([I, 3, 5, I])
    expect([uint().pack(2 ** 32 - 1), uint().pack(2 ** 32)]).toEqual([2 ** 32 - 1, 2n ** 32n])
  })

  it('take 64 bits as a bigint', () => {
    expect(parsed(u64(), 0, 7n, 2n ** 64n - 1n, 2 ** 53 - 1)).toEqual([
      0n,
      7n,
      2n ** 64n - 1n,
      2n ** 53n - 1n,
    ])
    expect(parsed(u64(), -1, -1n, 2n ** 64n)).toEqual([I, I, I])
    expect(parsed(u64(), 2 ** 53, 1.5, '1', null)).toEqual([V, V, V, V])
  })

  it('take hash keys of 16 bytes', () => {
    for (const key of [0n, 1n, 2n ** 64n - 1n, 2n ** 64n, 2n ** 127n + 3n, 2n ** 128n - 1n]) {
      expect(hashKey.parse(hashKey.pack(key), 'it')).toBe(key)
    }
    expect(() => hashKey.pack(2n ** 128n)).toThrow(invalid)
    expect(() => hashKey.pack(-1n)).toThrow(invalid)
    expect(parsed(hashKey, new Uint8Array(15), new Uint8Array(17), 5n, '0')).toEqual([V, V, V, V])
    const within = new Uint8Array(20).fill(1, 2, 18)
    expect(hashKey.parse(within.subarray(2, 18), 'it').toString(16)).toBe('01'.repeat(16).slice(1))
  })

  it('count characters as people do', () => {
    const four = text({ max: 4 })
    expect(parsed(four, 'abcd', '😀😀😀😀', '', 'abcde', '😀😀😀😀😀')).toEqual([
      'abcd',
      '😀😀😀😀',
      I,
      I,
      I,
    ])
    expect(parsed(four, 5, null, Uint8Array.of(0x61), '\ud800', '\ufeffa', 'a\ufeff')).toEqual([
      V,
      V,
      V,
      I,
      I,
      'a\ufeff',
    ])
    const long = text({ max: 514 })
    expect(parsed(long, 'x'.repeat(514), 'é'.repeat(512), 'é'.repeat(513)).map(Boolean)).toEqual([
      true,
      true,
      true,
    ])
    expect(parsed(long, 'é'.repeat(513))).toEqual([I])
    expect(() =>
      text({ max: 9, pattern: /^a+$/, patternText: 'a alone' }).parse('b', 'it'),
    ).toThrow('it is "b", it may have a alone')
  })

  it('take words, truth, bytes and what may be missing', () => {
    expect(parsed(word(['a', 'b']), 'a', 'c', 'toString', 1)).toEqual(['a', I, I, V])
    expect(parsed(bool, true, false, 0, null)).toEqual([true, false, V, V])
    const data = Uint8Array.of(1)
    expect(parsed(bytes, data, [1], 'x')).toEqual([data, V, V])
    expect(parsed(optional(uint(1, 2)), null, undefined, 1, 3, 'x')).toEqual([
      undefined,
      undefined,
      1,
      I,
      V,
    ])
  })

  it('take lists and structures, and name the place of what is wrong', () => {
    const pair = struct('Pair', { name: text({ max: 2 }), count: optional(uint()) })
    const pairs = list(pair, { min: 1, max: 2 })
    expect(pairs.parse([['a', 1], ['b']], 'it')).toEqual([{ name: 'a', count: 1 }, { name: 'b' }])
    expect(pairs.pack([{ name: 'a', count: 1 }, { name: 'b' }])).toEqual([
      ['a', 1],
      ['b', null],
    ])
    expect(parsed(pairs, [], [['a'], ['a'], ['a']], {}, [{}])).toEqual([I, I, V, V])
    expect(() => pairs.parse([['a'], ['b', 'x']], 'it')).toThrow(
      'it[1].count: wanted uint, got string',
    )
    expect(() => pairs.parse([['abc']], 'it')).toThrow(/^it\[0\]\.name has 3 characters/)
    expect(() => pairs.parse([['a', 1, 2]], 'it')).toThrow(violation)
    expect(pairs.parse([['a', 1, 2]], 'it', 'ignored')).toEqual([{ name: 'a', count: 1 }])
  })

  it('say what they are for PROTOCOL.md', () => {
    const forms = [
      uint(),
      uint(1),
      uint(1, 10_000),
      optional(u64()),
      list(optional(hashKey), { max: 1 }),
      list(text({ max: 3 }), { max: 2000 }),
      word(['a', 'b']),
    ]
    expect(forms.map((it) => `${it.form}; ${it.bounds}`)).toEqual([
      'uint; ',
      'uint; at least 1',
      'uint; 1 to 10,000',
      'nil or u64; ',
      'array of (nil or bin of 16); 0 to 1 element',
      'array of str; 0 to 2,000 elements of 1 to 3 characters',
      '"a" or "b"; ',
    ])
  })
})
