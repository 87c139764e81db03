import { expect, test } from 'vitest'
import { ChangeQueue } from '../../../src/stream/change-queue.ts'
import { settle } from '../../support/fake-clock.ts'

/** A queue whose works end when a test says so. */
class Works {
  readonly queue = new ChangeQueue()
  readonly begun: string[] = []
  readonly #ends: (() => void)[] = []

  add(name: string, isUrgent = false): Promise<string> {
    return this.queue.add(async () => {
      this.begun.push(name)
      await new Promise<void>((resolve) => this.#ends.push(resolve))
      if (name.startsWith('bad')) throw new Error(name)
      return name
    }, isUrgent)
  }

  /** Ends the works one after the other, until there are no more. */
  async finish(): Promise<void> {
    for (;;) {
      await settle()
      const end = this.#ends.shift()
      if (end === undefined) return
      end()
    }
  }
}

test('changes are made one at a time, in their order', async () => {
  const works = new Works()
  const all = ['a', 'b', 'c'].map((name) => works.add(name))
  expect(works.begun).toEqual([])
  await settle()
  expect(works.begun).toEqual(['a'])
  await works.finish()
  expect(await Promise.all(all)).toEqual(['a', 'b', 'c'])
  expect(works.begun).toEqual(['a', 'b', 'c'])
})

test('urgent ones go ahead of those that wait, every other time', async () => {
  const works = new Works()
  for (const name of ['a', 'b', 'c']) void works.add(name)
  await settle()
  for (const name of ['u', 'v', 'w']) void works.add(name, true)
  await works.finish()
  expect(works.begun).toEqual(['a', 'u', 'b', 'v', 'c', 'w'])
})

test('what fails holds up nothing, and all has ended when the queue has settled', async () => {
  const works = new Works()
  const bad = works.add('bad').catch((error: Error) => error.message)
  const good = works.add('good')
  let hasSettled = false
  const settled = works.queue.settled().then(() => {
    hasSettled = true
  })
  await settle()
  expect([works.begun, hasSettled]).toEqual([['bad'], false])
  await works.finish()
  expect(await Promise.all([bad, good])).toEqual(['bad', 'good'])
  await settled
})
