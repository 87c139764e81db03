// A test that is one command: a native program, or a vitest file. What it prints is read line by
// line:
//   progress N          trials done so far
//   result {...}        JSON; `trials` says how many were made, the rest goes into the report
// It passes when it ends with status 0; then, without a result, the count asked for is taken as
// made. Exit status 77 says that it cannot run here, its last line on standard error why. A command
// that speaks otherwise comes with `trialsIn`, an expression whose first group is the count in what
// it prints.

import { fileURLToPath } from 'node:url'
import { TortureFailure } from './failure.mjs'
import { describeEnd, run } from './processes.mjs'
import { SkipTest } from './runner.mjs'

// Where commands are run.
export const CHECKOUT = fileURLToPath(new URL('../../../', import.meta.url))

const EXIT_SKIPPED = 77
const SECONDS_MAX = { ci: 600, full: 7200 }

// `command` is the command line, or makes it of the tier; {seed}, {count}, {dir}, {scratch}, {tier}
// and {program:NAME} are replaced in it.
export function commandTest({ command, secondsMax, trialsIn, ...test }) {
  return { ...test, run: (context) => runCommand(command, context, { secondsMax, trialsIn }) }
}

export function expandCommand(command, context) {
  return command.map((part) =>
    part.replace(/\{([a-z]+)(?::([\w.@-]+))?\}/g, (whole, name, argument) => {
      if (name === 'program') return context.program(argument)
      if (name === 'dir') return context.directory
      return ['seed', 'count', 'scratch', 'tier'].includes(name) ? String(context[name]) : whole
    }),
  )
}

// Runs the command and answers what a test answers. Also for tests that consist of several.
export async function runCommand(command, context, { secondsMax = SECONDS_MAX, trialsIn } = {}) {
  const line = typeof command === 'function' ? command(context.tier) : command
  const [program, ...args] = expandCommand(line, context)
  let answer = null
  const result = await run(program, args, {
    cwd: CHECKOUT,
    timeoutSeconds: secondsMax[context.tier],
    onLine: (text) => {
      answer = readLine(text, context) ?? answer
    },
  })
  if (result.code === EXIT_SKIPPED) throw new SkipTest(result.stderr.trim().split('\n').at(-1))
  const spoken = trialsIn === undefined ? null : trialsIn.exec(result.stdout)
  if (result.code !== 0 || (spoken === null && trialsIn !== undefined)) {
    const violation = /^violation: (.*)$/m.exec(result.stderr)?.[1]
    throw new TortureFailure(violation ?? describeEnd(result), {
      details: {
        command: [program, ...args],
        stdout: result.stdout,
        stderr: result.stderr,
        ...answer,
      },
    })
  }
  if (spoken !== null) answer = { trials: Number(spoken[1]) }
  const { trials = context.count, note, ...details } = answer ?? {}
  return { trials, note, details }
}

export function readLine(line, context) {
  const progress = /^progress (\d+)$/.exec(line)
  if (progress !== null) context.progress(Number(progress[1]))
  return line.startsWith('result ') ? JSON.parse(line.slice('result '.length)) : null
}
