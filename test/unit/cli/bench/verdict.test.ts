/** A run whose records are lost, repeated, moved or altered on their way must end with code 8. */

import { describe, expect, it } from 'vitest'
import { BenchRecords } from '../../../../src/cli/bench/bench-records.ts'
import type { BenchRun } from '../../../../src/cli/bench/bench-run.ts'
import { takeRecords } from '../../../../src/cli/bench/readers.ts'
import { checkVerdict } from '../../../../src/cli/bench/verdict.ts'
import { DeliveryCheck } from '../../../../src/cli/delivery-check.ts'
import { CliError } from '../../../../src/cli/exit-codes.ts'
import { MillraceError } from '../../../../src/errors.ts'
import type { RecordView } from '../../../../src/wire/slice-cursor.ts'

const put = 20
const records = new BenchRecords({ recordBytes: 32, keys: 3 })
const measured = { records: put, seconds: 1, cpuSeconds: { broker: 1, generator: 1 } }

type Record = Pick<RecordView, 'partitionKey' | 'data'>

function all(): Record[] {
  return Array.from({ length: put }, (_, number) => {
    const { key, data } = records.record(number)
    return { partitionKey: key, data: Uint8Array.from(data) }
  })
}

/** What the verdict throws on readers that got these; undefined where it is content. */
function verdictOn(readers: Record[][], refused = new Set<number>()): unknown {
  const reports = readers.map((got) => {
    const check = new DeliveryCheck()
    takeRecords({ records } as BenchRun, check, got as RecordView[])
    return check.report(put, refused)
  })
  const firstRefusal = refused.size > 0 ? new MillraceError('DISK_FULL') : undefined
  const shared = { measured, percentiles: {}, lateShare: undefined, put }
  try {
    checkVerdict({ ...shared, reports, refused: refused.size, firstRefusal })
    return undefined
  } catch (error) {
    return error
  }
}

function swap(list: Record[], a: number, b: number): Record[] {
  return list.map((it, at) => (at === a ? list[b] : at === b ? list[a] : it) as Record)
}

function alter(list: Record[], at: number): Record[] {
  const data = Uint8Array.from((list[at] as Record).data)
  data[20] = (data[20] as number) ^ 1
  return list.with(at, { ...(list[at] as Record), data })
}

it('is content with all of them, once, in order', () => {
  expect(verdictOn([all(), all()])).toBeUndefined()
})

it('is content with other orders of different keys, and what others put', () => {
  const foreign = new BenchRecords({ recordBytes: 32, keys: 3 }).record(0)
  const beside = { partitionKey: foreign.key, data: foreign.data }
  expect(verdictOn([[beside, ...swap(all(), 0, 1), beside]])).toBeUndefined()
})

describe.each([
  ['lost', all().toSpliced(7, 1), '1 lost'],
  ['lost at the end', all().slice(0, -2), '2 lost'],
  ['repeated', [...all(), all()[3] as Record], '1 repeated'],
  ['out of order', swap(all(), 0, 3), '1 out of order'],
  ['altered', alter(all(), 9), '1 lost, 1 altered or never put'],
])('records that are %s', (_, got, says) => {
  it.each([
    ['the only reader', [got]],
    ['one of two readers', [all(), got]],
  ])('by %s end it with code 8', (_who, readers) => {
    const error = verdictOn(readers)
    expect(error).toBeInstanceOf(CliError)
    expect(error).toMatchObject({ code: 'VERIFICATION_FAILED', exit: { status: 8 } })
    expect((error as CliError).message).toContain(says)
  })
})

it('wants nothing of what was refused, and throws the refusal where there is nothing else', () => {
  expect(verdictOn([all().slice(0, -1)], new Set([put - 1]))).toBeUndefined()
  expect(verdictOn([all()], new Set([put - 1]))).toBeUndefined()
  const everything = new Set(Array.from({ length: put }, (_, number) => number))
  expect(verdictOn([[]], everything)).toMatchObject({ code: 'DISK_FULL' })
})
