/** What a process holds of memory: neither garbage nor what malloc keeps, but what is in use. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const module = (path: string) => new URL(`../../bench/${path}.mjs`, import.meta.url).href
let scratch = ''
let floor = ''

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'millrace-held-'))
  const { buildFloor } = await import(module('lib/programs'))
  floor = buildFloor(root, scratch)
})

afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** MiB that a process of its own holds, and has as it stands, more than before it ran `script`. */
function grownBy(script: string): { held: number; asItStands: number } {
  const source = `
    const { heldKibibytes } = await import('${module('micro/held-memory')}')
    const { anonymousKibibytesOf } = await import('${module('lib/process')}')
    const stands = () => anonymousKibibytesOf(process.pid)
    // What a function leaves behind is in no register of who has called it.
    const makeAll = (length) => Array.from({ length }, (_, i) => ({ i, more: i + 0.5 }))
    const load = () => {
      const recent = []
      for (let i = 0; i < 3e6; i += 1) recent[i % 50_000] = { i, more: i + 0.5 }
    }
    // The first look makes what all of them share.
    await heldKibibytes()
    const before = { held: await heldKibibytes(), asItStands: stands() }
    ${script}
    const asItStands = stands() - before.asItStands
    const held = (await heldKibibytes()) - before.held
    console.log(JSON.stringify({ held: held / 1024, asItStands: asItStands / 1024 }))`
  const env = { ...process.env, MILLRACE_BENCH_FLOOR: floor }
  const args = ['--input-type=module', '--eval', source]
  return JSON.parse(execFileSync(process.execPath, args, { env, encoding: 'utf8' }))
}

/** Half of the 32 MiB that hardly anything which comes and goes by itself is as large as. */
const muchMebibytes = 16

it.each([
  ['the heap', 'globalThis.kept = makeAll(600_000)'],
  ['buffers', 'globalThis.kept = Buffer.alloc(32 * 1024 * 1024, 1)'],
])('is what is in use, in %s', (_, script) => {
  expect(grownBy(script).held).toBeGreaterThan(muchMebibytes)
})

it.each([
  ['garbage', 'makeAll(600_000)'],
  ['the room that a load leaves behind', 'load()'],
  [
    'what malloc keeps between pieces that are in use',
    `let pieces = Array.from({ length: 8192 }, () => Buffer.alloc(8000, 1))
     globalThis.kept = pieces.filter((_, i) => i % 64 === 0)
     pieces = undefined`,
  ],
])('is not %s', (_, script) => {
  const { held, asItStands } = grownBy(script)
  expect(asItStands).toBeGreaterThan(muchMebibytes)
  expect(held).toBeLessThan(muchMebibytes / 4)
})
