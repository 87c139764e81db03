import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { filesWith, root } from './source-tree.ts'

/** Versions of clang-format disagree with each other; .clang-format is written for this one. */
const wantedVersion = 14

const program = [`clang-format-${wantedVersion}`, 'clang-format'].find((name) => {
  const { stdout } = spawnSync(name, ['--version'], { encoding: 'utf8' })
  return stdout?.includes(`version ${wantedVersion}.`)
})

it.skipIf(program === undefined)(`C++ is formatted (clang-format ${wantedVersion})`, () => {
  const files = filesWith('.cc', '.h').map((file) => file.path)
  const run = spawnSync(program ?? '', ['--dry-run', '-Werror', ...files], {
    cwd: root,
    encoding: 'utf8',
  })
  const wrong = new Set(run.stderr.match(/^[^:\s]+(?=:\d+:\d+: error)/gm) ?? [])
  expect([...wrong], run.stderr.slice(0, 2000)).toEqual([])
  expect(run.status).toBe(0)
})
