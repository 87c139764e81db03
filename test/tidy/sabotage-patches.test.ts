import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from './source-tree.ts'

const folder = join(root, 'test/sabotage')
const patches = readdirSync(folder).filter((name) => name.endsWith('.patch'))

/** What git says against a patch of the sources as they are; '' when it fits. */
function misfit(patch: string): string {
  const { status, stderr, error } = spawnSync(
    'git',
    ['apply', '--check', '--whitespace=nowarn', '-'],
    { cwd: root, input: patch, encoding: 'utf8' },
  )
  if (error !== undefined) throw error
  return status === 0 ? '' : stderr.trim()
}

/** A patch that does not fit is a bug that no test is asked to find. */
it('every sabotage patch applies to the sources', () => {
  const misfits = patches
    .map((name) => ({ name, says: misfit(readFileSync(join(folder, name), 'utf8')) }))
    .filter(({ says }) => says !== '')
  expect(patches).not.toEqual([])
  expect(misfits).toEqual([])
})

it('a patch of a line that is not there is told', () => {
  const stale = ['--- a/package.json', '+++ b/package.json', '@@ -1 +1 @@', '-gone', '+new', '']
  expect(misfit(stale.join('\n'))).toContain('patch does not apply')
})
