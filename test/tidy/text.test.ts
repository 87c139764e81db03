import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { commentsOf } from './cpp-scan.ts'
import { filesWith, linesOf, root, type SourceFile, textFiles } from './source-tree.ts'

const columnsMax = 100

/** Places of the lines for which `wrong` holds. */
function places(files: SourceFile[], wrong: (line: string) => boolean): string[] {
  return files.flatMap((file) =>
    Array.from(linesOf(file))
      .filter(({ line }) => wrong(line))
      .map(({ place, line }) => `${place}: ${line.trim().slice(0, 60)}`),
  )
}

const code = filesWith('.cc', '.h', '.c', '.ts', '.mjs', '.cjs')
const text = textFiles()

describe('the text of the project', () => {
  it(`has at most ${columnsMax} columns in code`, () => {
    const wide = (line: string) => Array.from(line).length > columnsMax && !/https?:\/\//.test(line)
    expect(places(filesWith('.cc', '.h', '.ts'), wide)).toEqual([])
  })

  it('has no tab, no carriage return, no trailing blank, and ends with one newline', () => {
    const files = text.filter((file) => !/(?:^|\/)Makefile$/.test(file.path))
    expect(places(files, (line) => /[\t\r]/.test(line) || /\S.*[ ]$|^ +$/.test(line))).toEqual([])
    const ends = text.filter((file) => file.text !== '' && !/[^\n]\n$/.test(file.text))
    expect(ends.map((file) => file.path)).toEqual([])
  })

  it('has no leftover marker in a comment or a document', () => {
    const marker = /\b(?:TODO|FIXME|XXX|HACK)\b/
    const marked = code.flatMap((file) =>
      commentsOf(file.text, file.path)
        .filter(({ comment }) => marker.test(comment))
        .map(({ line, comment }) => `${file.path}:${line}: ${comment.trim()}`),
    )
    expect([...marked, ...places(filesWith('.md'), (line) => marker.test(line))]).toEqual([])
  })

  it('names no folder of the machine that it was written on', () => {
    const own = [`${root.replace(/\/$/, '')}/`, `${homedir()}/`].filter((it) => it.length > 3)
    const foreign = /(?:^|[\s"'`(=])\/(?:home|Users|root)\/\w/
    expect(
      places(text, (line) => foreign.test(line) || own.some((it) => line.includes(it))),
    ).toEqual([])
  })
})

describe('the lockfile', () => {
  it('names no registry, so that each machine installs from its own', () => {
    const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
    expect(lock).not.toMatch(/"resolved": "https?:/)
    expect(readFileSync(join(root, '.npmrc'), 'utf8')).not.toMatch(/registry *=/)
  })
})
