import { basename, dirname, posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { commentsOf } from './cpp-scan.ts'
import { filesWith, paths, textFiles } from './source-tree.ts'

const present = new Set(paths)
const folders = new Set(paths.flatMap((path) => ancestors(path)))
const basenames = new Set(paths.map((path) => basename(path)))

/** Headers of others, and files that a build or a user makes, that a comment may name. */
const foreign = new Set([
  'napi.h',
  'node_api.h',
  'gtest.h',
  'arm_acle.h',
  'compile_commands.json',
  'millrace.json',
])

function ancestors(path: string): string[] {
  const folder = dirname(path)
  return folder === '.' ? [] : [folder, ...ancestors(folder)]
}

/** Braces name several files at once, as `status.{h,cc}` does. */
function expand(name: string): string[] {
  const braces = /^(.*)\{([^}]*)\}(.*)$/.exec(name)
  if (braces === null) return [name]
  const [, before = '', choices = '', after = ''] = braces
  return choices.split(',').map((choice) => before + choice + after)
}

/** What reads as a file or a folder of this project. */
function namesIn(text: string): string[] {
  const withoutLinks = text.replace(/\bhttps?:\/\/\S+/g, '').replace(/<[\w/.]+>/g, '')
  const file =
    /(?<![\w/.$*-])[\w./-]*[\w*-]\.(?:\{[\w,]+\}|md|h|cc|ts|mjs|cjs|gyp|json|txt)(?![\w(/*-])/g
  const folder = /(?<![\w/.-])(?:src|native|test|bench|examples)\/(?:[\w-]+\/)*[\w-]*(?![\w.*{/-])/g
  return [...(withoutLinks.match(file) ?? []), ...(withoutLinks.match(folder) ?? [])]
}

/** Whether a name leads somewhere: from the root, from the folder of its file, or by its tail. */
function resolves(name: string, from: string): boolean {
  return expand(name).every((choice) => {
    const path = posix.normalize(choice).replace(/^\.\//, '').replace(/\/$/, '')
    if (path.includes('*') || foreign.has(path) || /^(?:dist|build)\b/.test(path)) return true
    if (present.has(path) || folders.has(path)) return true
    if (present.has(posix.join(dirname(from), path))) return true
    return path.includes('/') ? paths.some((it) => it.endsWith(`/${path}`)) : basenames.has(path)
  })
}

describe('paths named in the project', () => {
  it('lead somewhere, in comments', () => {
    const dead = textFiles()
      .filter((file) => !/\.(?:md|json)$/.test(file.path) && file.path !== 'LICENSE')
      .flatMap((file) =>
        commentsOf(file.text, file.path).flatMap(({ line, comment }) =>
          namesIn(comment)
            .filter((name) => !resolves(name, file.path))
            .map((name) => `${file.path}:${line}: ${name}`),
        ),
      )
    expect(dead).toEqual([])
  })

  it('lead somewhere, in documents', () => {
    const dead = filesWith('.md').flatMap((file) =>
      namesIn(file.text)
        .filter((name) => !resolves(name, file.path))
        .map((name) => `${file.path}: ${name}`),
    )
    expect(dead).toEqual([])
  })

  it.each([
    ['see native/base/clock.h and FORMAT.md', ['native/base/clock.h', 'FORMAT.md']],
    ['status.{h,cc} in native/base/', ['status.{h,cc}', 'native/base/']],
    ['https://example.org/a.md <sys/mman.h> and 1.5.h2', []],
  ])('are found in: %s', (text, names) => {
    expect(namesIn(text)).toEqual(names)
  })

  it('are told from dead ones', () => {
    expect(resolves('native/base/status.{h,cc}', 'README.md')).toBe(true)
    expect(resolves('native/base/no_such_file.h', 'README.md')).toBe(false)
    expect(resolves('no_such_document.md', 'native/base/status.h')).toBe(false)
  })
})
