import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runChild, seedOf, temporaryDirectory } from './harness.ts'

const cycles = Number(process.env['MILLRACE_CYCLES'] ?? 20)

describe('a process ends as it was told to, whatever its log is doing', () => {
  it.each([
    ['forgotten', 0, ''],
    ['exitWhilePending', 3, ''],
    ['exitWhileOpening', 3, ''],
    ['exitWhileClosing', 3, ''],
    ['exitWhileScrubbing', 3, ''],
    ['uncaught', 1, ''],
    ['awaited', 0, 'acknowledged'],
    ['closeTwice', 0, 'closed'],
    ['workerForgets', 0, 'worker 0, next 2'],
    ['workerOutlivesClose', 0, 'worker 0'],
  ])('%s', async (name, code, stdout) => {
    const directory = join(temporaryDirectory(), 'log')
    const result = await runChild('exits.mjs', [directory, name])
    expect(result).toMatchObject({ code, signal: null, stdout })
    // The lock is gone, and what is there opens.
    expect(await runChild('exits.mjs', [directory, 'closeTwice'])).toMatchObject({ code: 0 })
  })
})

it('workers are terminated at any moment (T-R2)', async () => {
  const seed = seedOf('MILLRACE_SEED')
  const directory = join(temporaryDirectory(), 'log')
  const result = await runChild(
    'terminated-workers.mjs',
    [directory, String(seed), String(cycles)],
    { nodeOptions: ['--expose-gc'] },
  )
  const replay =
    `MILLRACE_SEED=${seed} MILLRACE_CYCLES=${cycles} ` +
    'npx vitest run test/seam/processes.test.ts'
  expect(result, replay).toMatchObject({ code: 0, signal: null })
  const told = JSON.parse(result.stdout)
  expect(told, replay).toMatchObject({ cycles, openedClean: true, liveMappings: 0 })
  expect(BigInt(told.next)).toBe(BigInt(told.last) + 1n)
})

it('a dropped log is collected and closed, but not while somebody waits for it', async () => {
  const directory = join(temporaryDirectory(), 'log')
  const result = await runChild('collected.mjs', [directory], { nodeOptions: ['--expose-gc'] })
  expect(result).toMatchObject({ code: 0, signal: null })
  expect(JSON.parse(result.stdout)).toEqual({
    first: '2',
    closed: true,
    unmapped: true,
    openedClean: true,
  })
})
