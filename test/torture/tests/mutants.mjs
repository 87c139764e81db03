// Sabotage: deliberate bugs that the tests of this project must find (test/sabotage/run.mjs).
import { mutants } from '../../sabotage/mutants.mjs'
import { commandTest } from '../lib/command-test.mjs'
import { hasTool, needNodeModule } from '../lib/machine.mjs'

function needCompiler() {
  const missing = ['git', 'cmake'].find((name) => !hasTool(name))
  return missing === undefined ? null : `${missing} is not installed`
}

export const tests = [
  commandTest({
    id: 'MUTANTS',
    title: 'deliberate bugs: each is found by the test that is there for it',
    unit: 'mutants',
    // Ten that the seed picks where minutes count, all of them otherwise.
    counts: { ci: 10, full: mutants.length },
    skip: () => needCompiler() ?? needNodeModule('typescript') ?? needNodeModule('vitest'),
    command: [...['node', 'test/sabotage/run.mjs'], ...['--count', '{count}', '--seed', '{seed}']],
  }),
]
