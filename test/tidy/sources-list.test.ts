import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { paths, root } from './source-tree.ts'

it('native/sources.txt lists every source below native/, once and in order', () => {
  const listed = readFileSync(join(root, 'native/sources.txt'), 'utf8').trimEnd().split('\n')
  const present = paths.filter((path) => path.startsWith('native/') && path.endsWith('.cc'))
  expect(listed).toEqual(present.toSorted())
})
