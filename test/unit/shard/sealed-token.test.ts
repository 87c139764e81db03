import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TokenSealer } from '../../../src/shard/sealed-token.ts'

const sealer = new TokenSealer(new Uint8Array(32).fill(1))

test('what was sealed comes out, for its purpose and its key alone', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (payload) => {
      const text = sealer.seal('a', payload)
      expect(text).toMatch(/^[A-Za-z0-9_-]+$/)
      expect(new Uint8Array(sealer.open('a', text) ?? [9])).toEqual(payload)
      expect(sealer.open('b', text)).toBeUndefined()
      expect(new TokenSealer(new Uint8Array(32).fill(2)).open('a', text)).toBeUndefined()
    }),
  )
})

test('any other text is nothing', () => {
  const text = sealer.seal('a', new Uint8Array([1, 2, 3, 4]))
  fc.assert(
    fc.property(fc.string(), (other) => {
      expect(other === text || sealer.open('a', other) === undefined).toBe(true)
    }),
  )
  for (const other of ['', `${text}A`, text.slice(1), text.slice(0, -1), ` ${text}`, `${text}=`]) {
    expect(sealer.open('a', other)).toBeUndefined()
  }
  // The last character has bits that stand for nothing: another spelling of the same bytes.
  const spellings = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']
    .map((it) => text.slice(0, -1) + it)
    .filter((it) => sealer.open('a', it) !== undefined)
  expect(spellings).toEqual([text])
})
