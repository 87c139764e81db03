import { describe, expect, it } from 'vitest'
import { LinePutter } from '../../../src/cli/line-putter.ts'
import { Output } from '../../../src/cli/output.ts'
import type { Producer } from '../../../src/client/producer.ts'
import { MillraceError } from '../../../src/errors.ts'
import type { PutAnswer, RecordInput } from '../../../src/wire/verbs.ts'

/** A producer that refuses records whose data says so. */
function fakeProducer() {
  const stats = { acknowledgedRecords: 0 }
  let taken = 0
  let tell: (refused: { ordinal: number; error: MillraceError }) => void = () => undefined
  const error = new MillraceError('THROUGHPUT_EXCEEDED', 'too fast')
  const isRefused = ({ data }: RecordInput) => Buffer.from(data).toString() === 'refused'
  const producer = {
    stats,
    on: (_: string, listener: typeof tell) => {
      tell = listener
    },
    put: async (record: RecordInput) => {
      taken += 1
      if (isRefused(record)) tell({ ordinal: taken - 1, error })
      else stats.acknowledgedRecords += 1
    },
    putAcknowledged: async (record: RecordInput): Promise<PutAnswer> => {
      taken += 1
      if (isRefused(record)) throw error
      stats.acknowledgedRecords += 1
      return { shardId: 's', sequenceNumber: BigInt(taken), durability: 'disk' }
    },
    close: async () => undefined,
  }
  return producer as unknown as Producer
}

async function putAll(texts: readonly string[], json: boolean) {
  const written = { stdout: '', stderr: '' }
  const sink = (name: keyof typeof written) => ({
    write: (data: string | Uint8Array) => {
      written[name] += Buffer.from(data).toString()
      return true
    },
    on: () => undefined,
  })
  const output = new Output({
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    json,
    environment: {},
  })
  const putter = new LinePutter(output, 'orders', fakeProducer())
  for (const text of texts) await putter.put({ key: 'a', data: Buffer.from(text) })
  const failure = await putter.end().then(
    () => undefined,
    (error: unknown) => error,
  )
  return { ...written, failure }
}

describe('putting lines', () => {
  it('says how many were put', async () => {
    const { stdout, stderr, failure } = await putAll(['1', '2'], false)
    expect(stdout).toMatch(/^put 2 records in .* a second\n$/)
    expect(stderr).toBe('')
    expect(failure).toBeUndefined()
  })

  it.each([true, false])(
    'names those that were refused, and fails with why (JSON: %s)',
    async (json) => {
      const { stdout, stderr, failure } = await putAll(['1', 'refused', '3'], json)
      expect(stderr).toContain('record 2 was refused: too fast')
      expect(failure).toBeInstanceOf(MillraceError)
      expect(failure).toMatchObject({ code: 'THROUGHPUT_EXCEEDED' })
      expect(String(failure)).toContain('1 record refused; the first: too fast')
      if (json) {
        const numbers = stdout
          .trim()
          .split('\n')
          .map((it) => JSON.parse(it).sequenceNumber)
        expect(numbers).toEqual(['1', '3'])
      } else expect(stdout).toContain('put 2 records')
    },
  )

  it('does not name thousands one by one', async () => {
    const { stderr, failure } = await putAll(
      Array.from({ length: 5000 }, () => 'refused'),
      false,
    )
    expect(stderr.trim().split('\n')).toHaveLength(10)
    expect(String(failure)).toContain('5,000 records refused')
  })
})
