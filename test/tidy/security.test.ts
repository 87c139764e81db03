import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from './source-tree.ts'

/** The rows of the table of threats in SECURITY.md: their last cells. */
function testCells(): string[] {
  const text = readFileSync(join(root, 'SECURITY.md'), 'utf8')
  const section = /^## Threats\n([\s\S]*)/m.exec(text)?.[1] ?? ''
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| threat |'))
    .map((line) => line.split('|').at(-2)?.trim() ?? '')
}

/** Why a cell names no test that is there, or undefined. */
function objection(cell: string): string | undefined {
  if (/^T-[A-Z]\d+s?$/.test(cell)) {
    const file = `test/torture/tests/${cell.toLowerCase()}.mjs`
    return existsSync(join(root, file)) ? undefined : `${cell}: there is no ${file}`
  }
  const [, file = '', words = ''] = /^`([^`]+)`: (.+)$/.exec(cell) ?? []
  if (file === '' || !existsSync(join(root, file))) return `${cell}: there is no such file`
  const found = readFileSync(join(root, file), 'utf8').includes(words)
  return found ? undefined : `${cell}: there is no such test`
}

describe('each threat of SECURITY.md', () => {
  const cells = testCells()

  it('has a test that is there', () => {
    expect(cells.length).toBeGreaterThan(30)
    expect(cells.map(objection).filter((it) => it !== undefined)).toEqual([])
  })

  it.each([
    ['T-Z9', 'T-Z9: there is no test/torture/tests/t-z9.mjs'],
    ['nothing', 'nothing: there is no such file'],
    ['`README.md`: no such title here', '`README.md`: no such title here: there is no such test'],
    ['T-F2', undefined],
  ])('is told from one without: %s', (cell, reason) => {
    expect(objection(cell)).toBe(reason)
  })
})
