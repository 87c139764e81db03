/** Directories that must not be opened: one clear code each, and nothing is written. */

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openLog, SliceCursor, sequenceNumber, verify } from '../../src/index.ts'
import { makeBatch, makeLog, runChild, temporaryDirectory } from './harness.ts'

async function closedLog(): Promise<string> {
  const { log, shard, dir } = await makeLog()
  await log.append(shard, makeBatch(3, 100))
  await log.close()
  return dir
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: { code?: string }) => error.code,
  )

it('a directory of somebody else', async () => {
  const dir = temporaryDirectory()
  writeFileSync(join(dir, 'letter.txt'), 'dear reader')
  expect(await codeOf(openLog({ dir }))).toBe('FORMAT_UNSUPPORTED')
  expect(await codeOf(verify(dir))).toBe('FORMAT_UNSUPPORTED')
  expect(readdirSync(dir)).toEqual(['letter.txt'])
})

it('a foreign file among the segments', async () => {
  const dir = await closedLog()
  writeFileSync(join(dir, 'log', 'notes'), '')
  expect(await codeOf(openLog({ dir }))).toBe('FORMAT_UNSUPPORTED')
  expect(existsSync(join(dir, 'verified-end'))).toBe(true)
})

it('a newer format', async () => {
  const dir = await closedLog()
  const format = readFileSync(join(dir, 'FORMAT'), 'utf8')
  writeFileSync(join(dir, 'FORMAT'), format.replace('millrace-log 1', 'millrace-log 7'))
  const refusal = { code: 'FORMAT_UNSUPPORTED', message: expect.stringContaining('format 7') }
  await expect(openLog({ dir })).rejects.toMatchObject(refusal)
  await expect(verify(dir)).rejects.toMatchObject(refusal)
})

it('a catalog that cannot be read is never taken for an empty one', async () => {
  const dir = await closedLog()
  truncateSync(join(dir, 'manifest-a'), 0)
  truncateSync(join(dir, 'manifest-b'), 0)
  expect(await codeOf(openLog({ dir }))).toBe('CATALOG_UNREADABLE')
  expect(await codeOf(verify(dir))).toBe('CATALOG_UNREADABLE')
})

it('one damaged copy of the catalog is made up for by the other', async () => {
  const dir = await closedLog()
  truncateSync(join(dir, 'manifest-a'), 0)
  const log = await openLog({ dir })
  expect(await log.listShards()).toHaveLength(1)
  await log.close()
  expect(readFileSync(join(dir, 'manifest-a'))).toEqual(readFileSync(join(dir, 'manifest-b')))
})

it('a directory that is open already', async () => {
  const { dir } = await makeLog()
  const child = await runChild('open-as-nobody.mjs', [dir, 'openLog'])
  expect(child.stdout).toMatch(/^(?:LOG_LOCKED|ACCESS_DENIED)$/)
  expect(await codeOf(verify(dir))).toBe('LOG_LOCKED')
})

it('a directory without permission', async () => {
  const parent = temporaryDirectory()
  const dir = join(parent, 'private')
  mkdirSync(dir)
  chmodSync(dir, 0)
  for (const call of ['openLog', 'verify']) {
    const child = await runChild('open-as-nobody.mjs', [dir, call])
    expect(child.stdout, call).toBe('ACCESS_DENIED')
  }
})

it('a parent that does not exist, and a file in place of a directory', async () => {
  const parent = temporaryDirectory()
  writeFileSync(join(parent, 'file'), '')
  expect(await codeOf(openLog({ dir: join(parent, 'none', 'log') }))).toBe('LOG_FAILED')
  expect(await codeOf(openLog({ dir: join(parent, 'file') }))).toBe('LOG_FAILED')
})

it('a log that aligns its commits reads as any other, padding aside', async () => {
  const { log, shard } = await makeLog({ alignCommits: true })
  for (let batch = 0; batch < 3; batch += 1) await log.append(shard, makeBatch(2, 300))
  const { bytes } = await log.read(shard, { sequenceNumber: sequenceNumber(1n) }, 1 << 20)
  const numbers = Array.from(new SliceCursor(bytes), (record) => record.sequenceNumber)
  expect(numbers).toEqual([1n, 2n, 3n, 4n, 5n, 6n])
})
