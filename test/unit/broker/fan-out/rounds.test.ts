import { afterEach, expect, it, vi } from 'vitest'
import { Rounds, type Sender } from '../../../../src/broker/fan-out/rounds.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** One that goes on so many times, and says so. */
function makeSender(name: string, told: string[], turns = 1, run = () => undefined): Sender {
  let left = turns
  return {
    queue: undefined,
    ahead: undefined,
    behind: undefined,
    serve() {
      told.push(name)
      run()
      left -= 1
      return left > 0
    },
  }
}

/** Until what is due in this turn of the event loop, and in the next, has run. */
const thisTurn = () => new Promise<void>((resolve) => process.nextTick(resolve))
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

it('serves one after the other, a little each, and each once at a time', async () => {
  const told: string[] = []
  const rounds = new Rounds(1000, () => told.push('over'))
  const many = makeSender('many', told, 3)
  rounds.add(many)
  rounds.add(makeSender('one', told))
  rounds.add(many)
  expect(told).toEqual([])
  await nextTurn()
  expect(told).toEqual(['many', 'one', 'many', 'many', 'over'])
})

it('serves at once, before anything else can happen, who has something to send now', async () => {
  const told: string[] = []
  const rounds = new Rounds(1000, () => undefined)
  const immediate = new Promise<void>((resolve) =>
    setImmediate(() => {
      told.push('something else')
      resolve()
    }),
  )
  process.nextTick(() => told.push('acknowledged'))
  rounds.addNow(makeSender('live', told))
  rounds.addNow(makeSender('live, too', told))
  await thisTurn()
  expect(told).toEqual(['acknowledged', 'live', 'live, too'])
  rounds.add(makeSender('later', told))
  await thisTurn()
  expect(told).toHaveLength(3)
  await immediate
  await nextTurn()
  expect(told.slice(3)).toEqual(['something else', 'later'])
})

it('lets others come in between when a round has taken its time', async () => {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const told: string[] = []
  const rounds = new Rounds(10, () => told.push('over'))
  const slow = () => {
    now += 3
    return undefined
  }
  for (let i = 0; i < 10; i += 1) rounds.addNow(makeSender(String(i), told, 1, slow))
  await thisTurn()
  expect(told.splice(0)).toEqual(['0', '1', '2', '3', 'over'])
  rounds.add(makeSender('new', told))
  await nextTurn()
  expect(told.splice(0)).toEqual(['4', '5', '6', '7', 'over'])
  await nextTurn()
  expect(told.splice(0)).toEqual(['8', '9', 'new', 'over'])
  await nextTurn()
  expect(told).toEqual([])
})
