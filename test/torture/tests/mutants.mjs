// Sabotage: deliberate bugs that the tests of this project must find (test/sabotage/run.mjs).
import { mutants, table } from '../../sabotage/mutants.mjs'
import { halfOf } from '../../sabotage/select.mjs'
import { commandTest } from '../lib/command-test.mjs'
import { hasTool, needNodeModule } from '../lib/machine.mjs'

function needCompiler() {
  const missing = ['git', 'cmake'].find((name) => !hasTool(name))
  return missing === undefined ? null : `${missing} is not installed`
}

const OF_THE_DAY = 6

export const tests = [
  commandTest({
    id: 'MUTANTS',
    title: 'deliberate bugs: each is found by the test that is there for it',
    unit: 'mutants',
    // Where minutes count, half of the table and a few others, which the day picks, whatever the seed.
    counts: { ci: halfOf(table) + OF_THE_DAY, full: mutants.length },
    skip: () => needCompiler() ?? needNodeModule('typescript') ?? needNodeModule('vitest'),
    command: [
      ...['node', 'test/sabotage/run.mjs', '--tier', '{tier}'],
      ...['--count', '{count}', '--seed', '{seed}'],
    ],
  }),
]
