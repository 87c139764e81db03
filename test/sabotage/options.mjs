// The command line of the sabotage runner.
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { TIERS, UsageError } from '../torture/lib/options.mjs'

export const HELP = `usage: node test/sabotage/run.mjs [options]

Applies each patch of this folder to a copy of the checkout, builds it, and demands that the test
which is there for that bug fails, and says why.

  --only N,N...    these patches, by their numbers
  --count N        so many of them, others for another seed
  --seed N         chooses them (default: 0)
  --tier ci|full   ci: half of those that would cost a promise, and others, of the day (default: full)
  --list           list what each breaks, and the command that must find it
  --scratch DIR    where the copy and its build lie (default: build-sabotage)
  --help           this text

Exit status: 0 when all were found, 1 when one was not, 2 for a bad command line.
`

const options = {
  help: { type: 'boolean', short: 'h', default: false },
  list: { type: 'boolean', default: false },
  only: { type: 'string' },
  count: { type: 'string' },
  tier: { type: 'string', default: 'full' },
  seed: { type: 'string', default: '0' },
  scratch: {
    type: 'string',
    default: fileURLToPath(new URL('../../build-sabotage', import.meta.url)),
  },
}

export function parseOptions(args) {
  const values = parsed(args)
  for (const name of ['count', 'seed']) {
    if (!/^\d*$/.test(values[name] ?? '')) throw new UsageError(`--${name} is a whole number`)
  }
  if (!TIERS.includes(values.tier)) throw new UsageError(`--tier is ${TIERS.join(' or ')}`)
  return values
}

function parsed(args) {
  try {
    return parseArgs({ args, options }).values
  } catch (error) {
    const text = `${error.message.split('.')[0]}; --help lists the options`
    throw new UsageError(text, { cause: error })
  }
}
