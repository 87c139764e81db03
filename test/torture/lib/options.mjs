// The command line of the torture runner.

export const HELP = `usage: npm run torture -- [ID...] [options]

Runs the torture tests, all of them or those named (T-K0, T-P2, ...).

  --tier ci|full   how much of each test: the figures of a change, or of a release (default: full)
  --count N        trials of each test, instead of the tier's figure
  --seed N         seed of every random choice (default: drawn, and printed)
  --json FILE      write everything that was found to FILE as well
  --dir DIR        where data directories are made (default: .torture)
  --bin DIR        use the native programs in DIR instead of building them
  --keep           keep data directories of tests that pass, too
  --list           list the tests and their figures, and whether this machine can run them
  --help           this text

Exit status: 0 when nothing failed, 1 when a test failed, 2 for a bad command line.
A test that cannot run here prints SKIPPED and the reason; it never counts as passed.
`

export const TIERS = ['ci', 'full']

const WITH_VALUE = new Map([
  ['--tier', 'tier'],
  ['--count', 'count'],
  ['--seed', 'seed'],
  ['--json', 'json'],
  ['--dir', 'directory'],
  ['--bin', 'binaries'],
])

const FLAGS = new Map([
  ['--keep', 'keep'],
  ['--list', 'list'],
  ['--help', 'help'],
  ['-h', 'help'],
])

// A mistake of the person at the keyboard; its message is all they need.
export class UsageError extends Error {}

function wholeNumber(name, text, min) {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < min) {
    throw new UsageError(
      `--${name} ${text}: a whole number from ${min} to ${Number.MAX_SAFE_INTEGER} is needed`,
    )
  }
  return value
}

export function parseOptions(argv) {
  const options = {
    ids: [],
    tier: 'full',
    count: null,
    seed: null,
    json: null,
    directory: '.torture',
    binaries: null,
    keep: false,
    list: false,
    help: false,
  }
  for (let i = 0; i < argv.length; i++) {
    const [name, inline] = argv[i].startsWith('--') ? splitOnce(argv[i], '=') : [argv[i], null]
    if (FLAGS.has(name) && inline === null) {
      options[FLAGS.get(name)] = true
    } else if (WITH_VALUE.has(name)) {
      const value = inline ?? argv[++i]
      if (value === undefined) throw new UsageError(`${name} needs a value`)
      options[WITH_VALUE.get(name)] = value
    } else if (name.startsWith('-')) {
      throw new UsageError(`${argv[i]} is not an option; --help lists them`)
    } else {
      options.ids.push(name)
    }
  }
  return checked(options)
}

function checked(options) {
  if (!TIERS.includes(options.tier)) {
    throw new UsageError(`--tier ${options.tier}: ${TIERS.join(' or ')} is needed`)
  }
  if (options.count !== null) options.count = wholeNumber('count', options.count, 1)
  if (options.seed !== null) options.seed = wholeNumber('seed', options.seed, 0)
  return options
}

function splitOnce(text, separator) {
  const at = text.indexOf(separator)
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)]
}
