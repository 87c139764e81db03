import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CliError } from '../../../src/cli/exit-codes.ts'
import { linesOf } from '../../../src/cli/lines.ts'
import { splitKey } from '../../../src/cli/split-key.ts'

async function* chunksOf(bytes: Buffer, sizes: readonly number[]) {
  let at = 0
  for (let n = 0; at < bytes.length; n += 1) {
    const size = sizes[n % sizes.length] ?? 1
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function lines(bytes: Buffer, sizes: readonly number[], bytesMax = 1000): Promise<Buffer[]> {
  const found: Buffer[] = []
  for await (const line of linesOf(chunksOf(bytes, sizes), bytesMax)) found.push(Buffer.from(line))
  return found
}

describe('linesOf', () => {
  it('cuts any bytes at newlines, however they come', async () => {
    const line = fc
      .uint8Array({ maxLength: 20 })
      .map((it) => it.map((byte) => (byte === 10 ? 11 : byte)))
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(fc.array(line), sizes, fc.boolean(), async (wanted, cuts, ends) => {
        const parts = wanted.map((it) => Buffer.from(it))
        const text = Buffer.concat(parts.flatMap((it) => [it, Buffer.from('\n')]))
        const last = parts.at(-1)
        // The last line may lack its newline, unless it is empty: then there is no such line.
        const cut = !ends && last !== undefined && last.length > 0 ? text.subarray(0, -1) : text
        expect(await lines(cut, cuts)).toEqual(parts)
      }),
    )
  })

  it('refuses a line that is too long, by its number, before it fills the memory', async () => {
    const bytes = Buffer.from(`ok\n${'x'.repeat(50)}`)
    await expect(lines(bytes, [7], 20)).rejects.toThrow('line 2 has more than 20 bytes')
    await expect(lines(bytes, [100], 50)).resolves.toHaveLength(2)
  })
})

describe('splitKey', () => {
  const split = (text: string, separator = ':') => {
    const { key, data } = splitKey(Buffer.from(text), separator, 'line 7')
    return [key, Buffer.from(data).toString()]
  }

  it('cuts at the first separator', () => {
    expect(split('a:b:c')).toEqual(['a', 'b:c'])
    expect(split('ключ => data', ' => ')).toEqual(['ключ', 'data'])
    expect(split('a:')).toEqual(['a', ''])
  })

  it.each(['abc', ':abc', ''])('refuses "%s", and names the line', (text) => {
    expect(() => split(text)).toThrow(CliError)
    expect(() => split(text)).toThrow('line 7 has no key before ":"')
  })
})
