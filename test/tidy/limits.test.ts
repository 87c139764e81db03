import { describe, expect, it } from 'vitest'
import * as limits from '../../src/limits.ts'
import { documented } from './documented-limits.ts'
import { filesWith } from './source-tree.ts'

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
