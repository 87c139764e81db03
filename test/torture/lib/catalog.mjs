// The tests that exist: every module in tests/ exports `tests`, an array.
import { readdirSync } from 'node:fs'
import { UsageError } from './options.mjs'

export async function loadTests(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.mjs'))
  const modules = await Promise.all(names.map((name) => import(new URL(name, folder))))
  const tests = modules.flatMap((module) => module.tests)
  return checked(tests.sort((left, right) => order(left) - order(right)))
}

// Kills, power cuts, failing disks and limits, damage, then everything else; the judge before them,
// the broker behind them.
const ORDER = [
  'T-H',
  'T-K0',
  'T-K0s',
  'T-K0n',
  'T-P1',
  'T-P2',
  'T-P3',
  'T-E1',
  'T-E2',
  'T-E3',
  'T-E3s',
  'T-E4',
  'T-E5',
  'T-B1',
  'T-B2',
  'T-M1',
  'T-F1',
  'T-R1',
  'T-R2',
  'T-K1',
  'T-R3',
  'T-G1',
  'T-G2',
  'T-C1',
  'T-F2',
  'T-F3',
  'T-F4',
  'T-S1',
  'T-S2',
  'T-S3',
  'T-S4',
  'T-A1',
  'T-A2',
  'T-A3',
]

function order(test) {
  const at = ORDER.indexOf(test.id)
  return at < 0 ? ORDER.length : at
}

function checked(tests) {
  const seen = new Set()
  for (const test of tests) {
    if (seen.has(test.id)) throw new Error(`two tests are called ${test.id}`)
    seen.add(test.id)
    for (const tier of ['ci', 'full']) {
      if (!Number.isSafeInteger(test.counts?.[tier]))
        throw new Error(`${test.id} has no count for tier ${tier}`)
    }
  }
  return tests
}

// Those that the command line asks for, in the catalog's order; all of them when it names none.
export function selectTests(tests, ids) {
  if (ids.length === 0) return tests
  const wanted = new Set(ids.map((id) => id.toLowerCase()))
  const selected = tests.filter((test) => wanted.delete(test.id.toLowerCase()))
  if (wanted.size > 0) {
    throw new UsageError(`no test is called ${[...wanted].join(', ')}; --list shows them all`)
  }
  return selected
}
