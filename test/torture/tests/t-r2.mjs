// Workers that share a log with the main thread are terminated in the middle of whatever they do,
// by a script of the seam tests: nothing crashes, nothing is lost, no memory map stays behind.
// Then the same with an addon under the address and undefined behaviour sanitizers.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CHECKOUT } from '../lib/command-test.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'
import { describeEnd, mustRun, run } from '../lib/processes.mjs'

const CHILD = join(CHECKOUT, 'test/seam/children/terminated-workers.mjs')
const SANITIZED_FOLDER = 'build-asan'
const SANITIZED = join(CHECKOUT, SANITIZED_FOLDER, 'millrace.node')
const SECONDS_MAX = { ci: 600, full: 7200 }

// What the child printed, against what it must be.
function judge(said, count) {
  const wrong = []
  if (said.cycles !== count) wrong.push(`${said.cycles} of ${count} workers`)
  if (BigInt(said.next) !== BigInt(said.last) + 1n) {
    wrong.push(`the log goes on at ${said.next} after ${said.last}`)
  }
  if (said.openedClean !== true) wrong.push('the close was not clean')
  if (said.liveMappings !== 0) wrong.push(`${said.liveMappings} maps are left`)
  if (wrong.length > 0) throw new TortureFailure(wrong.join('; '), { details: said })
}

async function terminateWorkers(context, name, env) {
  const args = ['--expose-gc', CHILD, join(context.directory, name)]
  const result = await run(process.execPath, [...args, context.seed, context.count].map(String), {
    timeoutSeconds: SECONDS_MAX[context.tier],
    env: { ...process.env, ...env },
  })
  if (result.code !== 0) {
    throw new TortureFailure(`${name} addon: ${describeEnd(result)}`, {
      details: { command: args, stdout: result.stdout, stderr: result.stderr },
    })
  }
  judge(JSON.parse(result.stdout), context.count)
}

async function buildSanitized() {
  const headers = join(CHECKOUT, 'node_modules/node-api-headers/include')
  const limits = { cwd: CHECKOUT, timeoutSeconds: 1800 }
  await mustRun('cmake', ['--preset', 'asan', `-DCMAKE_JS_INC=${headers}`], limits)
  await mustRun('cmake', ['--build', '--preset', 'asan', '--target', 'millrace'], limits)
}

// V8 leaks by design, so leaks are left to the native tests.
async function sanitizerEnvironment() {
  const libraries = []
  for (const name of ['libasan.so', 'libubsan.so']) {
    libraries.push((await mustRun('gcc', [`-print-file-name=${name}`])).stdout.trim())
  }
  return {
    MILLRACE_ADDON: SANITIZED,
    LD_PRELOAD: libraries.join(' '),
    ASAN_OPTIONS: 'detect_leaks=0',
  }
}

async function runTest(context) {
  await terminateWorkers(context, 'plain', {})
  context.progress(context.count, 'sanitized addon')
  if (context.tier === 'full') await buildSanitized()
  if (!existsSync(SANITIZED)) {
    return { trials: context.count, note: `not sanitized: no ${SANITIZED_FOLDER}` }
  }
  await terminateWorkers(context, 'sanitized', await sanitizerEnvironment())
  return { trials: 2 * context.count, note: 'half of them with a sanitized addon' }
}

export const tests = [
  {
    id: 'T-R2',
    title: 'workers that are terminated while they use the log',
    unit: 'workers',
    counts: { ci: 30, full: 1000 },
    skip: needBuild,
    run: runTest,
  },
]
