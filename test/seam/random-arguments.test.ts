import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runChild, seedOf, temporaryDirectory } from './harness.ts'

const calls = Number(process.env['MILLRACE_CALLS'] ?? 20_000)

it('random arguments over all exports do no harm', async () => {
  const seed = seedOf('MILLRACE_SEED')
  const directory = join(temporaryDirectory(), 'random')
  const result = await runChild('random-arguments.mjs', [directory, String(seed), String(calls)])
  expect(
    result,
    `MILLRACE_SEED=${seed} npx vitest run test/seam/random-arguments.test.ts`,
  ).toMatchObject({
    code: 0,
    signal: null,
  })
  const tally = JSON.parse(result.stdout)
  expect(tally.calls).toBe(calls)
  expect(tally.coded).toBeGreaterThan(calls / 4)
})
