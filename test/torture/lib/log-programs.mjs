// Running the writer and the verifier of native/ (rig_writer_main.cc, rig_verifier_main.cc).
import { readLine } from './command-test.mjs'
import { TortureFailure } from './failure.mjs'
import { describeEnd, run } from './processes.mjs'

export const LOG_PROGRAMS = ['rig_writer_main', 'rig_verifier_main']
export const EXIT_STOPPED = 3

// Long enough for ten full disks on a machine that does much else, and no hang.
const SECONDS_MAX = 300

export function toArguments(options) {
  return Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
}

function answerOf(result) {
  const line = result.stdout.split('\n').findLast((text) => text.startsWith('result '))
  return line === undefined ? {} : readLine(line, null)
}

// Runs the writer; answers its result with `stopped`, whether an error of the log ended it. A crash
// is a failure. `wrap` is a command line to put in front (strace, prlimit).
export async function writeLog(context, options, wrap = []) {
  const args = [...wrap, context.program('rig_writer_main'), ...toArguments(options)]
  const result = await run(args[0], args.slice(1), { timeoutSeconds: SECONDS_MAX })
  if (result.code !== 0 && result.code !== EXIT_STOPPED) {
    throw new TortureFailure(`the writer did not survive: ${describeEnd(result)}`, {
      details: { command: args, stderr: result.stderr },
    })
  }
  return { ...answerOf(result), stopped: result.code === EXIT_STOPPED, said: result.stderr.trim() }
}

// Runs the verifier; answers its result, `violations` among them. `mustHold` turns violations into
// a failure.
export async function verifyLog(context, options, { mustHold = true } = {}) {
  const args = toArguments(options)
  const program = context.program('rig_verifier_main')
  const result = await run(program, args, { timeoutSeconds: SECONDS_MAX })
  const judged = result.code === 0 || (result.code === 1 && result.stderr.includes('violation:'))
  if (!judged || (mustHold && result.code !== 0)) {
    const first = /violation: (.*)/.exec(result.stderr)?.[1]
    throw new TortureFailure(first ?? `the verifier did not survive: ${describeEnd(result)}`, {
      details: {
        command: [program, ...args],
        stderr: result.stderr,
        code: result.code,
        signal: result.signal,
      },
    })
  }
  return { ...answerOf(result), held: result.code === 0 }
}
