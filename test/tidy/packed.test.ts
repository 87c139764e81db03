import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from './source-tree.ts'

const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly files: readonly string[]
}
/** npm packs these whatever `files` says. */
const always = ['README.md', 'LICENSE', 'package.json']

/** Whether who installs the package has it. */
function isPacked(path: string): boolean {
  const bare = path.replace(/\/$/, '')
  return [...files, ...always].some((it) => bare === it || bare.startsWith(`${it}/`))
}

/** What a text leads to: links, documents, and what stands in folders that are packed. */
function namedIn(text: string): string[] {
  const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map((it) => it[1])
  const documents = text.matchAll(/`([\w./-]+\.md|(?:examples|src|native)\/[\w./-]*)`/g)
  return [...links, ...Array.from(documents, (it) => it[1])].map(String)
}

describe('the package', () => {
  it('has all that its README leads to', () => {
    const named = namedIn(readFileSync(join(root, 'README.md'), 'utf8'))
    expect(named).toContain('examples/')
    expect(named).toContain('bench/README.md')
    expect(named.filter((it) => !isPacked(it))).toEqual([])
  })

  it.each([
    ['![a figure](bench/micro/a.svg)', 'bench/micro/a.svg'],
    ['see `test/seam/README.md`', 'test/seam/README.md'],
  ])('would lack what %j leads to', (text, path) => {
    expect(namedIn(text)).toEqual([path])
    expect(isPacked(path)).toBe(false)
  })
})
