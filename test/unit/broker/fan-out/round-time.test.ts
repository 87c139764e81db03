/** How long subscriptions send in one go, where that is set. */

import { expect, it } from 'vitest'
import { makeClockJump, makeFanOut, toShard, turns } from './harness.ts'

const subscribers = 64

/** Of as many who have something to read at once: how many have it after each turn. */
async function servedByTurn(roundMillisMax: number): Promise<number[]> {
  const made = await makeFanOut(1, { limits: { roundMillisMax } })
  const opened = Array.from({ length: subscribers }, () => made.open())
  for (const { subscriptions } of opened) await toShard(subscriptions, 0)
  await turns(30)
  for (const { sink } of opened) sink.take()
  const clock = makeClockJump()
  const put = made.put(0, ['k'], 100)
  const served = new Set<number>()
  const counts: number[] = []
  for (let turn = 0; turn < 5000 && served.size < subscribers; turn += 1) {
    await turns(1)
    for (const [index, { sink }] of opened.entries()) if (sink.take().length > 0) served.add(index)
    if (served.size > (counts.at(-1) ?? 0)) counts.push(served.size)
  }
  await put
  clock.restore()
  return counts
}

it('a round ends when its time is over, and others come in between', async () => {
  expect(await servedByTurn(1)).toEqual([16, 32, 48, 64])
  expect(await servedByTurn(100)).toEqual([64])
})
