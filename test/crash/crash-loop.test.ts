import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const rounds = Number(process.env['MILLRACE_ROUNDS'] ?? 20)

it('what was acknowledged survives every way to end a process (T-K0n)', () => {
  const seed = process.env['MILLRACE_SEED'] ?? String(Math.floor(Math.random() * 2 ** 31))
  const script = fileURLToPath(new URL('crash-loop.mjs', import.meta.url))
  const result = spawnSync(process.execPath, [script, '--seed', seed, '--count', String(rounds)], {
    encoding: 'utf8',
  })
  expect(result.stderr).toBe('')
  expect(result.status).toBe(0)
  expect(result.stdout).toContain(`${rounds} rounds`)
})
