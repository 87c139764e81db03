// Frames are made from what the broker takes: a seed that it refuses as it is tests little.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeRequest } from '../../../dist/wire/frame.js'
import { operationsByOpcode } from '../../../dist/wire/operations.js'
import { isPutFrame } from '../../../dist/wire/put-frame.js'
import { Random } from '../lib/random.mjs'
import { OPCODES, pollutingMessage, validMessage, wrongMessage } from './bad-frames.mjs'

test('there is a seed for each operation', () => {
  assert.deepEqual([...operationsByOpcode.keys()].sort(), [...OPCODES].sort())
})

test('each seed is a message of its operation', () => {
  const random = new Random('seeds')
  const met = new Set()
  for (let times = 0; times < 4000; times++) {
    const message = validMessage(random)
    if (isPutFrame(message)) continue
    met.add(decodeRequest(message).operation.opcode)
  }
  assert.ok(met.size > OPCODES.size - 5, `${met.size} of ${OPCODES.size}`)
})

test('most of the wrong ones can be decoded', () => {
  const random = new Random('wrong')
  const met = new Set()
  let refused = 0
  for (let times = 0; times < 20_000; times++) {
    const message = wrongMessage(random)
    if (isPutFrame(message)) continue
    try {
      met.add(decodeRequest(message).operation.opcode)
    } catch {
      refused += 1 // its form is wrong, too
    }
  }
  assert.ok(refused < 10_000, `${refused} of 20000`)
  assert.ok(met.size > OPCODES.size - 8, `${met.size} of ${OPCODES.size}`)
})

test('those that would pollute name what all objects share, and can mostly be decoded', () => {
  const random = new Random('polluting')
  let named = 0
  let refused = 0
  for (let times = 0; times < 5000; times++) {
    const message = pollutingMessage(random)
    if (/__proto__|constructor|prototype/.test(Buffer.from(message).toString('latin1'))) named += 1
    if (isPutFrame(message)) continue
    try {
      decodeRequest(message)
    } catch {
      refused += 1 // a map, or no word that fits
    }
  }
  assert.ok(named > 1500, `${named} of 5000 name it`)
  assert.ok(refused < 2500, `${refused} of 5000 were refused`)
})
