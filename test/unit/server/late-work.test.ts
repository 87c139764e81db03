import { performance } from 'node:perf_hooks'
import { expect, it, onTestFinished, vi } from 'vitest'
import { LateWork } from '../../../src/server/late-work.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Each look at the clock finds it so much later. */
function makeSlowClock(stepMillis: number) {
  let now = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
    now += stepMillis
    return now
  })
  onTestFinished(() => void clock.mockRestore())
}

it('is done behind this turn, in its order', async () => {
  const late = new LateWork()
  const done: number[] = []
  for (let n = 0; n < 100; n += 1) late.add(() => done.push(n))
  expect(done).toEqual([])
  await turn()
  expect(done).toEqual(Array.from({ length: 100 }, (_, n) => n))
})

it('leaves to the next turn what takes longer, but does some in each', async () => {
  makeSlowClock(3)
  const late = new LateWork()
  const done: string[] = []
  for (const name of ['a', 'b', 'c']) late.add(() => done.push(name))
  const seen: string[] = []
  for (let n = 0; n < 3; n += 1) {
    await turn()
    seen.push(done.join(''))
  }
  expect(seen).toEqual(['ab', 'abc', 'abc'])
})

it('takes more while it is done', async () => {
  const late = new LateWork()
  const done: string[] = []
  late.add(() => {
    done.push('a')
    late.add(() => done.push('c'))
  })
  late.add(() => done.push('b'))
  await turn()
  await turn()
  expect(done).toEqual(['a', 'b', 'c'])
  late.add(() => done.push('d'))
  await turn()
  expect(done).toEqual(['a', 'b', 'c', 'd'])
})

it('is finished at once where nothing comes after', async () => {
  const late = new LateWork()
  const done: string[] = []
  late.add(() => {
    done.push('a')
    late.add(() => done.push('b'))
  })
  late.finish()
  expect(done).toEqual(['a', 'b'])
  await turn()
  expect(done).toEqual(['a', 'b'])
})
