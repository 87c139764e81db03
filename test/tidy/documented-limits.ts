/** The limits as README has them. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './source-tree.ts'

/** A limit as README writes it: 500, 10 MiB, 1 to 256 characters. */
function numbersIn(cell: string): number[] {
  return Array.from(cell.matchAll(/(\d+)( MiB| KiB)?/g), ([, digits, unit]) => {
    const factor = unit === ' MiB' ? 1024 * 1024 : unit === ' KiB' ? 1024 : 1
    return Number(digits) * factor
  })
}

/** The rows of README's table of limits: the names in the first cell, the numbers in the second. */
export function documented(): [string, number][] {
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
