/** The tests of the torture tests are for `node --test`; here they run with all others. */

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const folder = fileURLToPath(new URL('../torture/', import.meta.url))
/** Mounts traced disks, as root in a namespace of its own: test/torture/README.md says how. */
const rig = join('rig', 'rig.test.mjs')
const all = readdirSync(folder, { encoding: 'utf8', recursive: true })
const millisMax = 60_000
const files = all.filter((name) => name.endsWith('.test.mjs') && name !== rig)

it('are found', () => {
  expect(files).toContain(join('broker', 'access-matrix.test.mjs'))
})

it.each(files)(
  '%s',
  (file) => {
    const args = ['--test', '--test-reporter=tap', join(folder, file)]
    const options = { encoding: 'utf8', timeout: millisMax } as const
    const { status, stdout } = spawnSync(process.execPath, args, options)
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^# pass [1-9]/m)])
  },
  millisMax,
)
