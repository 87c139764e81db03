// The command line of the bench runner.
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'

export const HELP = `npm run bench -- [options] [ID...]

Builds what it needs, runs the benches (all of them, or those that are named; "matrix" names those with
bars, but for X2) and prints a table for each: first the share of the limit that the same run measured, then
the figure.

  --list            say what there is, and stop
  --quick           smaller loads and fewer repetitions: for a look, not for figures
  --tiny            the smallest loads: proves that a bench runs (the tests do this)
  --minutes N       how long X2 takes, which runs only when it is named: 10 unless it is given
  --peers           measure others beside, those that npm run bench:peers has installed
  --json FILE       write the results as JSON, after each bench those so far
  --compare FILE    put the results beside those of an earlier --json, row by row
  --write-readme    put the results into the tables of bench/README.md
  --from FILE       take the results from a JSON file instead of running anything; several: of each bench
                    those of the last file that has it
  --dir DIR         folder on the disk to measure (default: a temporary folder)
  --memory-dir DIR  folder on tmpfs (default: /dev/shm)
  --binaries DIR    native programs that are built already; also floor.node
  --dist DIR        compiled package to measure; MILLRACE_ADDON names its addon
  --help            this text
`

export class UsageError extends Error {}

export function parseOptions(args) {
  let parsed
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        list: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        tiny: { type: 'boolean', default: false },
        peers: { type: 'boolean', default: false },
        minutes: { type: 'string', default: '10' },
        json: { type: 'string' },
        compare: { type: 'string' },
        from: { type: 'string', multiple: true },
        'write-readme': { type: 'boolean', default: false },
        dir: { type: 'string', default: tmpdir() },
        'memory-dir': { type: 'string', default: '/dev/shm' },
        binaries: { type: 'string' },
        dist: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new UsageError(error.message, { cause: error })
  }
  const { values, positionals } = parsed
  if (values.quick && values.tiny) throw new UsageError('--quick and --tiny exclude each other')
  if (values.json !== undefined && !existsSync(dirname(resolve(values.json)))) {
    throw new UsageError(`--json ${values.json}: there is no folder ${dirname(values.json)}`)
  }
  if (!(Number(values.minutes) > 0)) {
    throw new UsageError(`--minutes is "${values.minutes}", wanted a number above 0`)
  }
  return {
    ids: positionals,
    minutes: Number(values.minutes),
    load: values.tiny ? 'tiny' : values.quick ? 'quick' : 'full',
    list: values.list,
    help: values.help,
    peers: values.peers,
    json: values.json,
    compare: values.compare,
    from: values.from,
    writeReadme: values['write-readme'],
    directory: values.dir,
    memoryDirectory: values['memory-dir'],
    binaries: values.binaries,
    dist: values.dist,
  }
}
