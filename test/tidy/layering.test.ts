import { describe, expect, it } from 'vitest'
import { filesWith, linesOf } from './source-tree.ts'

const layers = ['format', 'base', 'log', 'ingest', 'addon']

/** Why this folder must not include that file, or undefined where it may. */
function objection(path: string, included: string): string | undefined {
  const folder = /^native\/(\w+)\//.exec(path)?.[1]
  if (/^(?:napi|node_api|js_native_api)\b/.test(included)) {
    return folder === 'addon' ? undefined : 'only native/addon/ includes Node-API'
  }
  if (included.startsWith('.')) return 'includes are written from the root'
  const other = /^native\/(\w+)\//.exec(included)?.[1]
  if (folder === undefined) return other === 'addon' ? 'the addon is for Node alone' : undefined
  if (other === undefined)
    return included.includes('/') && /^(?:test|bench)\//.test(included)
      ? 'native/ does not know its tests'
      : undefined
  if (!layers.includes(other)) return 'an unknown layer'
  return layers.indexOf(other) > layers.indexOf(folder) ? 'an upward include' : undefined
}

describe('includes', () => {
  const files = filesWith('.cc', '.h')

  it('never go upward, and Node-API stays in native/addon/', () => {
    const wrong: string[] = []
    for (const file of files) {
      for (const { place, line } of linesOf(file)) {
        const included = /^\s*#\s*include\s*["<]([^">]+)[">]/.exec(line)?.[1]
        const reason = included === undefined ? undefined : objection(file.path, included)
        if (reason !== undefined) wrong.push(`${place}: ${included}: ${reason}`)
      }
    }
    expect(files.length).toBeGreaterThan(0)
    expect(wrong).toEqual([])
  })

  it('stand in a folder that is a layer', () => {
    const strays = files
      .map((file) => file.path)
      .filter((path) => path.startsWith('native/') && !layers.includes(path.split('/')[1] ?? ''))
    expect(strays).toEqual([])
  })

  it.each([
    ['native/base/a.cc', 'native/log/b.h', 'an upward include'],
    ['native/log/a.cc', 'native/base/b.h', undefined],
    ['native/log/a.cc', 'napi.h', 'only native/addon/ includes Node-API'],
    ['test/native/a_test.cc', 'node_api.h', 'only native/addon/ includes Node-API'],
    ['native/addon/a.cc', 'napi.h', undefined],
    ['test/native/a_test.cc', 'native/addon/b.h', 'the addon is for Node alone'],
    ['native/log/a.cc', '../base/b.h', 'includes are written from the root'],
    ['native/log/a.cc', 'test/support/b.h', 'native/ does not know its tests'],
    ['native/log/a.cc', 'sys/mman.h', undefined],
  ])('of %s: %s', (path, included, reason) => {
    expect(objection(path, included)).toBe(reason)
  })
})
