import { expect, test } from 'vitest'
import { Emitter } from '../../../src/client/emitter.ts'

test('listeners hear what they listen to, until they are removed', () => {
  const emitter = new Emitter<{ a: number; b: string }>()
  const heard: unknown[] = []
  const remove = emitter.on('a', (it) => heard.push(it))
  emitter.on('b', (it) => heard.push(it))
  expect(emitter.has('a')).toBe(true)
  emitter.emit('a', 1)
  emitter.emit('b', 'x')
  remove()
  emitter.emit('a', 2)
  expect(heard).toEqual([1, 'x'])
  expect(emitter.has('a')).toBe(false)
})

test('a listener that throws hinders nobody, and its error is not lost', async () => {
  const emitter = new Emitter<{ a: number }>()
  const heard: number[] = []
  const failure = new Error('of a listener')
  emitter.on('a', () => {
    throw failure
  })
  emitter.on('a', (it) => heard.push(it))
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  const thrown = new Promise((resolve) => process.once('uncaughtException', resolve))
  emitter.emit('a', 1)
  expect(heard).toEqual([1])
  expect(await thrown).toBe(failure)
  for (const it of listeners) process.on('uncaughtException', it)
})
