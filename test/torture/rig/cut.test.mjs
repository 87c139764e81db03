import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Random } from '../lib/random.mjs'
import { CutMaker } from './cut.mjs'
import { inLanes } from './lanes.mjs'
import { parseTrace } from './trace.mjs'

const folder = mkdtempSync(join(tmpdir(), 'torture-cut-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const DISK_BYTES = 64 * 1024
const base = join(folder, 'base')
const image = join(folder, 'image')
writeFileSync(base, Buffer.alloc(DISK_BYTES, 0))

function write(offset, length, fill) {
  const head = Buffer.alloc(13)
  head.write('W')
  head.writeBigUInt64LE(BigInt(offset), 1)
  head.writeUInt32LE(length, 9)
  return Buffer.concat([head, Buffer.alloc(length, fill)])
}

const flush = Buffer.from('F')

function cutAt(requests, index, seed) {
  const maker = new CutMaker(base, parseTrace(Buffer.concat(requests)))
  const fate = maker.write(index, new Random(seed), image)
  return { fate, content: readFileSync(image) }
}

test('the trace is read back, with the clock behind each request', () => {
  const { requests } = parseTrace(Buffer.concat([write(4096, 100, 1), flush, write(0, 5, 2)]))
  assert.deepEqual(
    requests.map(({ flush: isFlush, offset, length, end }) => [isFlush, offset, length, end]),
    [
      [false, 4096, 100, 113],
      [true, 0, 0, 114],
      [false, 0, 5, 132],
    ],
  )
})

test('a damaged trace is refused', () => {
  assert.throws(() => parseTrace(Buffer.from('X')), /damaged/)
  assert.throws(() => parseTrace(write(0, 100, 1).subarray(0, 50)), /ends within/)
})

test('what was flushed is there, whatever the dice say', () => {
  for (let seed = 0; seed < 200; seed++) {
    const { content } = cutAt(
      [write(8192, 4096, 7), flush, write(8192, 0, 0), write(0, 512, 9)],
      3,
      seed,
    )
    assert.ok(content.subarray(8192, 12288).every((byte) => byte === 7))
  }
})

test('a write after the last flush is there, gone or torn at a sector, about as often as it should', () => {
  const counts = { whole: 0, gone: 0, torn: 0 }
  const runs = 2000
  for (let seed = 0; seed < runs; seed++) {
    const { content, fate } = cutAt([flush, write(4096, 4096, 5)], 1, seed)
    const part = content.subarray(4096, 8192)
    const sectors = Array.from({ length: 8 }, (_, i) => part.subarray(i * 512, (i + 1) * 512))
    assert.ok(sectors.every((sector) => sector.every((byte) => byte === sector[0])))
    const there = sectors.filter((sector) => sector[0] === 5).length
    const kind = there === 8 ? 'whole' : there === 0 ? 'gone' : 'torn'
    counts[kind]++
    assert.equal(fate.torn, kind === 'torn' ? 1 : 0)
    assert.ok(content.subarray(8192).every((byte) => byte === 0))
  }
  assert.ok(Math.abs(counts.gone - 0.5 * runs) < 0.05 * runs, JSON.stringify(counts))
  assert.ok(Math.abs(counts.torn - 0.15 * runs) < 0.04 * runs, JSON.stringify(counts))
})

test('nothing behind the cut is there', () => {
  for (let seed = 0; seed < 50; seed++) {
    const { content } = cutAt(
      [write(0, 512, 1), write(512, 512, 2), flush, write(1024, 512, 3)],
      1,
      seed,
    )
    assert.ok(content.subarray(1024).every((byte) => byte === 0))
  }
})

test('one maker makes many cuts in order, the same as a fresh one each', () => {
  const requests = []
  const random = new Random('requests')
  for (let i = 0; i < 60; i++) {
    requests.push(
      random.chance(0.2) ? flush : write(random.below(60_000), random.between(1, 4000), i),
    )
  }
  const trace = parseTrace(Buffer.concat(requests))
  const maker = new CutMaker(base, trace)
  for (let index = 0; index < requests.length; index += 3) {
    maker.write(index, new Random(index), image)
    const inOrder = readFileSync(image)
    new CutMaker(base, trace).write(index, new Random(index), image)
    assert.ok(inOrder.equals(readFileSync(image)), `cut ${index}`)
  }
  assert.throws(() => maker.write(0, new Random(0), image), /in order/)
})

test('lanes do everything once, and stop at the first failure', async () => {
  const done = []
  await inLanes([1, 2, 3, 4, 5], 2, async (item) => done.push(item))
  assert.deepEqual(done.sort(), [1, 2, 3, 4, 5])
  const started = []
  await assert.rejects(
    inLanes([1, 2, 3, 4, 5, 6], 2, async (item) => {
      started.push(item)
      await null
      if (item === 2) throw new Error('two')
    }),
    /two/,
  )
  assert.ok(started.length < 6)
})
