import { expect, test } from 'vitest'
import { MillraceError } from '../../../src/errors.ts'
import { StreamWork } from '../../../src/stream/stream-work.ts'

test('steps follow one another until there is none left', async () => {
  let left = 3
  const work = new StreamWork(
    async () => left-- > 0,
    () => undefined,
  )
  work.start(1)
  await expect.poll(() => left).toBe(-1)
  // A start while it runs is not lost, and two never run at once.
  left = 2
  work.start(1)
  work.start(1)
  await expect.poll(() => left).toBeLessThanOrEqual(-1)
  await work.stop()
})

test('a step that is asked for while the last look is taken is done', async () => {
  let asked = 0
  let done = 0
  const work: StreamWork = new StreamWork(
    async () => {
      if (done === asked) {
        // Between the look and the end of the work somebody asks for more.
        if (asked < 5) queueMicrotask(() => ask())
        return false
      }
      done += 1
      return true
    },
    () => undefined,
  )
  const ask = () => {
    asked += 1
    work.start(1)
  }
  ask()
  await expect.poll(() => done).toBe(5)
  await work.stop()
})

test('what fails for want of room is tried again; other failures are the end', async () => {
  const errors: unknown[] = []
  let tries = 0
  const code = { now: 'DISK_FULL' as 'DISK_FULL' | 'LOG_FAILED' }
  const step = async () => {
    tries += 1
    throw new MillraceError(code.now)
  }
  const work = new StreamWork(step, (error) => errors.push(error), 1)
  work.start(1)
  await expect.poll(() => tries).toBeGreaterThan(2)
  await work.stop()
  expect(errors).toHaveLength(tries)

  tries = 0
  errors.length = 0
  code.now = 'LOG_FAILED'
  const failing = new StreamWork(step, (error) => errors.push(error))
  failing.start(1)
  await expect.poll(() => tries).toBe(1)
  await failing.stop()
  expect([tries, errors.length]).toEqual([1, 1])
})
