// A test that is one command: a native program, or a vitest file. What it prints is read line by
// line:
//   progress N          trials done so far
//   result {...}        JSON; `trials` says how many were made, the rest goes into the report
// It passes when it ends with status 0; then, without a result, the count asked for is taken as
// made. Exit status 77 says that it cannot run here, its last line on standard error why.

import { TortureFailure } from './failure.mjs'
import { describeEnd, run } from './processes.mjs'
import { SkipTest } from './runner.mjs'

const EXIT_SKIPPED = 77

// `command` is the command line, in which {seed}, {count}, {dir}, {scratch}, {tier} and
// {program:NAME} are replaced. The first four are in the environment too (MILLRACE_TORTURE_SEED,
// ...), for runners that pass no arguments on.
export function commandTest({ command, secondsMax = { ci: 600, full: 7200 }, env = {}, ...test }) {
  return { ...test, run: (context) => runCommand(command, context, secondsMax[context.tier], env) }
}

export function expandCommand(command, context) {
  return command.map((part) =>
    part.replace(/\{([a-z]+)(?::([\w.-]+))?\}/g, (whole, name, argument) => {
      if (name === 'program') return context.program(argument)
      if (name === 'dir') return context.directory
      return ['seed', 'count', 'scratch', 'tier'].includes(name) ? String(context[name]) : whole
    }),
  )
}

async function runCommand(command, context, timeoutSeconds, env) {
  const [program, ...args] = expandCommand(command, context)
  let answer = null
  const result = await run(program, args, {
    timeoutSeconds,
    env: {
      ...process.env,
      MILLRACE_TORTURE_SEED: String(context.seed),
      MILLRACE_TORTURE_COUNT: String(context.count),
      MILLRACE_TORTURE_DIR: context.directory,
      MILLRACE_TORTURE_TIER: context.tier,
      ...env,
    },
    onLine: (line) => {
      answer = readLine(line, context) ?? answer
    },
  })
  if (result.code === EXIT_SKIPPED) throw new SkipTest(result.stderr.trim().split('\n').at(-1))
  if (result.code !== 0) {
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
  const { trials = context.count, note, ...details } = answer ?? {}
  return { trials, note, details }
}

export function readLine(line, context) {
  const progress = /^progress (\d+)$/.exec(line)
  if (progress !== null) context.progress(Number(progress[1]))
  return line.startsWith('result ') ? JSON.parse(line.slice('result '.length)) : null
}
