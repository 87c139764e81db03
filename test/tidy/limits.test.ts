import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as limits from '../../src/limits.ts'
import { filesWith, root } from './source-tree.ts'

/** A limit as README writes it: 500, 10 MiB, 1 to 256 characters. */
function numbersIn(cell: string): number[] {
  return Array.from(cell.matchAll(/(\d+)( MiB| KiB)?/g), ([, digits, unit]) => {
    const factor = unit === ' MiB' ? 1024 * 1024 : unit === ' KiB' ? 1024 : 1
    return Number(digits) * factor
  })
}

/** The rows of README's table of limits: the names in the first cell, the numbers in the second. */
function documented(): [string, number][] {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const section = /^## Limits\n([\s\S]*?)^## /m.exec(readme)?.[1] ?? ''
  return section
    .split('\n')
    .filter((line) => /^\|.*`/.test(line))
    .flatMap((line) => {
      const [, names = '', values = ''] = line.split('|')
      const numbers = numbersIn(values)
      return Array.from(names.matchAll(/`(\w+)`/g), ([, name = ''], index): [string, number] => [
        name,
        numbers[index] ?? Number.NaN,
      ])
    })
}

/** A constant of the native headers, which write it as a product of decimal numbers. */
function nativeConstant(name: string): number {
  for (const { text } of filesWith('.h')) {
    const product = new RegExp(`\\b${name} = ([\\d\\s*u]+);`).exec(text)?.[1]
    if (product !== undefined) {
      return product.split('*').reduce((value, factor) => value * Number.parseInt(factor, 10), 1)
    }
  }
  throw new Error(`no header defines ${name}`)
}

describe('limits', () => {
  it('stand in README as they stand in src/limits.ts', () => {
    const rows = documented()
    expect(rows.length).toBeGreaterThan(4)
    expect(limits).toMatchObject(Object.fromEntries(rows))
  })

  it('are those that the native scanner starts from', () => {
    expect(nativeConstant('kKeyCharactersMax')).toBe(limits.partitionKeyCharactersMax)
    expect(nativeConstant('record_bytes_max')).toBe(limits.recordBytesMaxDefault)
    expect(nativeConstant('total_bytes_max')).toBe(limits.requestBytesMax)
    expect(nativeConstant('records_max')).toBe(limits.requestRecordsMax)
  })

  it('leave room in a batch for the largest request', () => {
    expect(nativeConstant('kBatchBytesMax')).toBeGreaterThan(limits.requestBytesMax)
    expect(limits.requestBytesMax).toBeGreaterThanOrEqual(limits.recordBytesMaxHighest)
  })
})
