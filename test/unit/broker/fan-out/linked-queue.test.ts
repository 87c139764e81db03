import { expect, it } from 'vitest'
import { LinkedQueue, type Queued } from '../../../../src/broker/fan-out/linked-queue.ts'
import { Random } from '../../../support/random.ts'

class Item implements Queued<Item> {
  readonly name: number
  queue: object | undefined
  ahead: Item | undefined
  behind: Item | undefined

  constructor(name: number) {
    this.name = name
  }
}

function namesOf(queue: LinkedQueue<Item>): number[] {
  const names: number[] = []
  for (let it = queue.first; it !== undefined; it = it.behind) names.push(it.name)
  return names
}

const seed = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

it(`is what an array is (seed ${seed})`, () => {
  const random = new Random(seed)
  const items = Array.from({ length: 6 }, (_, name) => new Item(name))
  const queues = [new LinkedQueue<Item>(), new LinkedQueue<Item>()] as const
  const arrays: [Item[], Item[]] = [[], []]
  for (let step = 0; step < 2000; step += 1) {
    const at = random.below(2) as 0 | 1
    const item = random.pick(items)
    if (random.chance(4)) {
      expect(queues[at].shift()).toBe(arrays[at].shift())
    } else if (item.queue === undefined) {
      queues[at].push(item)
      arrays[at].push(item)
    } else if (item.queue === queues[at]) {
      queues[at].remove(item)
      arrays[at].splice(arrays[at].indexOf(item), 1)
    }
    for (const it of [0, 1] as const) {
      expect(namesOf(queues[it])).toEqual(arrays[it].map((each) => each.name))
      expect(queues[it].hasMore).toBe(arrays[it].length > 1)
    }
  }
})
