/** Partition keys are decoded as UTF-8 says, wherever they stand. */

import { expect, test } from 'vitest'
import { keyText } from '../../../src/wire/key-text.ts'

const encoder = new TextEncoder()

const keys = [
  '',
  'k',
  'customer-7',
  'fifteen letters',
  'sixteen letters!',
  'seventeen letters',
  'a'.repeat(256),
  'é',
  'naïve key',
  '\ufeffwith a byte order mark',
  '\ufeff',
  'sixteen bytes: é',
  'fifteen bytes é',
  '日本語のキー',
  '😀'.repeat(4),
  '\0\u007f',
]

test.each(keys)('%j, with anything around it', (key) => {
  const bytes = encoder.encode(key)
  for (const [before, behind] of [
    [0, 0],
    [3, 0],
    [0, 1],
    [5, 15],
    [0, 40],
  ] as const) {
    const memory = new Uint8Array(before + bytes.length + behind).fill(0xff)
    memory.set(bytes, before)
    expect(keyText(memory, before, bytes.length)).toBe(key)
  }
})
