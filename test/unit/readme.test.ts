/** The example of the README runs, and prints what its comments say. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

it('the example runs', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1]
  // Inside of the package, where its own name leads to what was built.
  mkdirSync(join(root, 'build'), { recursive: true })
  const folder = mkdtempSync(join(root, 'build', 'readme-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'example.mjs'), example ?? '')
  const printed = execFileSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' })
  expect(printed.split('\n')).toEqual([
    'from 1, durability disk',
    '1n customer-7 order 1',
    '2n customer-7 order 2',
    '3n customer-7 order 3',
    '',
  ])
}, 30_000)
