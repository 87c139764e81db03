import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { settings } from '../../src/cli/config-schema.ts'
import * as limits from '../../src/limits.ts'
import { documented } from './documented-limits.ts'
import { filesWith, root } from './source-tree.ts'

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

/** The constants of src/limits.ts, each with the comment above it and its neighbours. */
function commented(source: string): [name: string, comment: string][] {
  const found: [string, string][] = []
  let comment = ''
  for (const [, empty, said, name] of source.matchAll(
    /(^\n)|\/\*\*([\s\S]*?)\*\/|^export const (\w+)/gm,
  )) {
    if (name !== undefined) found.push([name, comment])
    else comment = empty === undefined ? (said ?? '') : ''
  }
  return found
}

/** The names of those that are the default of no setting, and say neither who sets them nor why. */
function unexplained(source: string): string[] {
  const values = new Map<string, unknown>(Object.entries(limits))
  const isSetting = (name: string) =>
    settings.some(
      ({ path, fallback }) => path.split('.')[1] === name && fallback === values.get(name),
    )
  return commented(source)
    .filter(([name, comment]) => !isSetting(name) && !/\b(?:Set|Fixed)\b[^.]{8}/.test(comment))
    .map(([name]) => name)
}

describe('limits', () => {
  const source = readFileSync(join(root, 'src/limits.ts'), 'utf8')

  it('are settings, or say who sets them, or why nobody can', () => {
    const names = commented(source).map(([name]) => name)
    expect(names.toSorted()).toEqual(Object.keys(limits).toSorted())
    expect(unexplained(source)).toEqual([])
  })

  it('that say nothing are found', () => {
    const named = (name: string, comment: string) =>
      `/** ${comment} */\nexport const ${name} = 1\n\n`
    expect(
      unexplained(
        named('tagsMax', 'Tags.') +
          named('tagKeyCharactersMax', 'Tags. Fixed: as in Kinesis.') +
          named('connectionsMax', 'Connections.') +
          named('heartbeat', 'Of a subscription. Set: by hand.'),
      ),
    ).toEqual(['tagsMax'])
  })

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
