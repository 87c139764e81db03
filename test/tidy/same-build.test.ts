/** Two builds of the package, in two places, give the same files. */

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { root } from './source-tree.ts'

/** Builds a copy of the sources there; answers a sum for each file that came of it. */
function build(folder: string): Map<string, string> {
  mkdirSync(folder, { recursive: true })
  for (const name of ['src', 'tsconfig.json', 'package.json']) {
    cpSync(join(root, name), join(folder, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'], { cwd: folder })
  const dist = join(folder, 'dist')
  const names = readdirSync(dist, { recursive: true, encoding: 'utf8' }).toSorted()
  return new Map(
    names
      .filter((it) => statSync(join(dist, it)).isFile())
      .map((it) => [
        it,
        createHash('sha256')
          .update(readFileSync(join(dist, it)))
          .digest('hex'),
      ]),
  )
}

it('the package is the same, whoever builds it, wherever', () => {
  const home = mkdtempSync(join(tmpdir(), 'millrace-build-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  const [one, other] = [build(join(home, 'one')), build(join(home, 'deeper', 'down', 'other'))]
  expect(one.has('cli/main.js')).toBe(true)
  expect(one.size).toBeGreaterThan(1000)
  expect([...other]).toEqual([...one])
}, 180_000)
