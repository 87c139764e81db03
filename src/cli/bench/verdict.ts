/** Whether a run may tell figures. */

import type { DeliveryReport } from '../delivery-check.ts'
import { CliError } from '../exit-codes.ts'
import { formatCount, plural } from '../units.ts'
import type { BenchFigures } from './bench-run.ts'

const faults = [
  ['lost', 'lost'],
  ['duplicated', 'repeated'],
  ['outOfOrder', 'out of order'],
  ['foreign', 'altered or never put'],
] as const satisfies readonly (readonly [keyof DeliveryReport, string])[]

/**
 * Throws a CliError, VERIFICATION_FAILED, where a reader did not get each acknowledged record once,
 * in order and unaltered; the first refusal where nothing at all was acknowledged.
 */
export function checkVerdict({ reports, put, refused, firstRefusal }: BenchFigures): void {
  const found = faults.flatMap(([field, word]) => {
    const count = reports.reduce((sum, report) => sum + report[field], 0)
    return count === 0 ? [] : [`${formatCount(count)} ${word}`]
  })
  if (found.length > 0) {
    const readers = reports.length === 1 ? '' : `, by ${plural(reports.length, 'reader')} together`
    const message = `of ${plural(put, 'record')}${readers}: ${found.join(', ')}`
    throw new CliError('VERIFICATION_FAILED', message)
  }
  if (firstRefusal !== undefined && refused === put) throw firstRefusal
}
