import { expect, it } from 'vitest'
import { TailWatchers } from '../../../src/log/tail-watchers.ts'

/** A slot: its end in two halves, and its state in two. */
function makeSlot() {
  const words = new Int32Array(4)
  return { words, slot: { words, endAt: 0, stateAt: 2 } }
}

it('watchers are told of each change once, and of nothing else', () => {
  const watchers = new TailWatchers()
  const { words, slot } = makeSlot()
  words.set([7, 0, 0, 0])
  const told: string[] = []
  const first = () => told.push('first')
  const second = () => told.push('second')
  watchers.add(1, first, slot)
  watchers.settle()
  expect(told).toEqual([])
  words[0] = 8
  watchers.settle()
  watchers.settle()
  expect(told.splice(0)).toEqual(['first'])
  watchers.add(1, second, slot)
  // The high half alone, the state alone.
  words[1] = 1
  watchers.settle()
  expect(told.splice(0)).toEqual(['first', 'second'])
  words[2] = 3
  watchers.settle()
  expect(told.splice(0)).toEqual(['first', 'second'])
  watchers.remove(1, first)
  expect(watchers.isEmpty).toBe(false)
  words[0] = 9
  watchers.settle()
  expect(told.splice(0)).toEqual(['second'])
  watchers.remove(1, second)
  watchers.remove(1, second)
  expect(watchers.isEmpty).toBe(true)
})

it('may leave while they are told, and are told once more when the log is closed', () => {
  const watchers = new TailWatchers()
  const [one, two] = [makeSlot(), makeSlot()]
  const told: string[] = []
  const leaves = () => {
    told.push('leaves')
    watchers.remove(1, leaves)
  }
  watchers.add(1, leaves, one.slot)
  watchers.add(2, () => told.push('stays'), two.slot)
  one.words[0] = 1
  two.words[0] = 1
  watchers.settle()
  expect(told.splice(0)).toEqual(['leaves', 'stays'])
  watchers.tellAll()
  expect(told.splice(0)).toEqual(['stays'])
  expect(watchers.isEmpty).toBe(true)
})
