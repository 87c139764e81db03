// Fuzzed directories: libFuzzer over what an open reads (test/fuzz), under the address and
// undefined behaviour sanitizers. A target stops itself when one input takes a second.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TortureFailure } from '../lib/failure.mjs'
import { needFuzzer } from '../lib/machine.mjs'
import { describeEnd, run } from '../lib/processes.mjs'
import { inLanes } from '../rig/lanes.mjs'

const LANES = 2
const SECONDS_MAX = { ci: 600, full: 24 * 3600 }
const SEED_MAX = 2 ** 31 // beyond, libFuzzer takes the number apart in its own way

// One run of the first target opens a log several times; the last decodes a few hundred bytes.
const TARGETS = [
  { name: 'directory_fuzz', share: 0.001, bytesMax: 256 },
  { name: 'recovery_fuzz', share: 0.1, bytesMax: 4096 },
  { name: 'index_fuzz', share: 0.899, bytesMax: 4096 },
]

async function fuzz(context, { name, share, bytesMax }) {
  const runs = Math.max(1, Math.round(context.count * share))
  const options = {
    runs,
    seed: (context.seed % SEED_MAX) + 1, // 0 would be drawn anew
    max_len: bytesMax,
    len_control: 0,
    timeout: 1200, // wall clock: a machine that stands still for a while is no hang
    verbosity: 0,
    print_final_stats: 1,
    artifact_prefix: join(context.directory, `${name}-`),
  }
  const args = Object.entries(options).map(([key, value]) => `-${key}=${value}`)
  const program = context.program(`${name}@fuzz`)
  const result = await run(program, args, { timeoutSeconds: SECONDS_MAX[context.tier] })
  if (result.code !== 0) {
    writeFileSync(join(context.directory, `${name}.log`), result.stderr)
    const said = new RegExp(`^(?:${name}: .*|one input took .*|.*ERROR: .*)$`, 'm')
    const reason = said.exec(result.stderr)?.[0] ?? describeEnd(result)
    throw new TortureFailure(`${name}: ${reason}`, {
      details: { command: [program, ...args], stderr: result.stderr },
    })
  }
  return Number(/number_of_executed_units: (\d+)/.exec(result.stderr)[1])
}

async function runTest(context) {
  const done = {}
  let trials = 0
  await inLanes(TARGETS, LANES, async (target) => {
    done[target.name] = await fuzz(context, target)
    trials += done[target.name]
    context.progress(trials, target.name)
  })
  return { trials, note: `${done.directory_fuzz} whole directories`, details: done }
}

export const tests = [
  {
    id: 'T-F1',
    title: 'fuzzed directories, tails and indexes',
    unit: 'runs',
    counts: { ci: 300_000, full: 100_000_000 },
    programs: TARGETS.map(({ name }) => `${name}@fuzz`),
    skip: needFuzzer,
    run: runTest,
  },
]
