import { expect, it } from 'vitest'
import { constants, type NativeLogHandle } from '../../../src/log/binding.ts'
import { LogProgress } from '../../../src/log/log-progress.ts'

const { slot: line, errorCodes } = constants

it('a shard that refuses appends is closed once the last of them are committed', () => {
  const words = new BigUint64Array(line.words * line.slotsPerChunk)
  const handle = { committedChunk: () => words.buffer, setReferenced: () => undefined }
  const progress = new LogProgress(handle as unknown as NativeLogHandle)
  const told: unknown[] = []
  progress.addTail(0, {
    position: 100n,
    moved: (end, closed) => told.push([end, closed]),
    failed: (error) => told.push(error),
  })
  words[line.appendedEnd] = 200n
  words[line.committedEnd] = 100n
  words[line.state] = BigInt(errorCodes.indexOf('SHARD_CLOSED'))
  progress.wake()
  expect(progress.isClosed(0)).toBe(false)
  expect(told).toEqual([])
  words[line.committedEnd] = 200n
  progress.wake()
  expect(progress.isClosed(0)).toBe(true)
  expect(told).toEqual([[200n, true]])
})
