#!/usr/bin/env node
// Sabotage: the tests must fail when the code is wrong. Applies each patch of this folder to a copy
// of the checkout, builds it, and demands that the test which is there for that bug fails, and says
// why.
//
// `--help` lists the options. The last line is "N passed, M failed": passed = the mutant was killed.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UsageError } from '../torture/lib/options.mjs'
import { describeEnd, killChildren, run } from '../torture/lib/processes.mjs'
import { mutants, table } from './mutants.mjs'
import { HELP, parseOptions } from './options.mjs'
import { Scratch } from './scratch.mjs'
import { select, today } from './select.mjs'

const HERE = fileURLToPath(new URL('./', import.meta.url))
const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url))
const TEST_SECONDS_MAX = 300
const LINE_CHARACTERS_MAX = 160
const EXIT_FAILED = 1
const EXIT_USAGE = 2
const EXIT_INTERRUPTED = 130

function say(line) {
  process.stdout.write(`${line}\n`)
}

function headerOf(mutant) {
  const text = readFileSync(join(HERE, mutant.patch), 'utf8')
  return /^# Breaks: (.*)$/m.exec(text)?.[1] ?? ''
}

// A patch without a row, or a row without a patch, is a mutant that nobody kills.
function checkTable() {
  const patches = readdirSync(HERE).filter((name) => name.endsWith('.patch'))
  const rows = new Set(mutants.map((mutant) => mutant.patch))
  const numbers = new Set(mutants.map((mutant) => mutant.number))
  const stray = patches.filter((name) => !rows.delete(name))
  if (stray.length > 0 || rows.size > 0 || numbers.size < mutants.length) {
    throw new Error(`mutants.mjs and the patches differ: ${[...stray, ...rows].join(', ')}`)
  }
}

// Also of the mutants that this run does not make: one that fits no more is none.
async function checkFit(scratch) {
  for (const { patch } of mutants) await scratch.checkFits(join(HERE, patch))
}

// Runs the command of a mutant in the copy; answers how it ended, and all that it said.
async function runCommand(scratch, command) {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-sabotage-'))
  const [program, ...rest] = command.map((part) => part.replace('{dir}', directory))
  const path = program === 'node' ? process.execPath : join(scratch.build, program)
  try {
    const result = await run(path, rest, {
      cwd: scratch.tree,
      timeoutSeconds: TEST_SECONDS_MAX,
      env: {
        ...process.env,
        NO_COLOR: '1',
        MILLRACE_ADDON: join(scratch.build, 'millrace.node'),
        MILLRACE_DIST: `file://${scratch.dist}/`,
      },
    })
    const end = describeEnd(result)
    return { good: result.code === 0, end, said: `${result.stdout}\n${result.stderr}\n${end}` }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

// Each command passes on the code as it is, or its failure on a mutant would prove nothing.
async function checkUnpatched(scratch, chosen) {
  const commands = new Map(chosen.map((mutant) => [mutant.command.join(' '), mutant.command]))
  for (const [text, command] of commands) {
    const { good, end } = await runCommand(scratch, command)
    if (!good) throw new Error(`without any patch the test fails: ${text}: ${end}`)
  }
}

// Answers the line in which the test says what it found; throws when the mutant is not killed.
async function attempt(scratch, mutant) {
  await scratch.patch(join(HERE, mutant.patch))
  await scratch.compile([mutant.target])
  const { good, end, said } = await runCommand(scratch, mutant.command)
  if (good) throw new Error(`it survives: ${mutant.command.join(' ')}`)
  const line = said.split('\n').find((text) => mutant.says.test(text))
  if (line === undefined) throw new Error(`it is killed, but not for ${mutant.says}: ${end}`)
  return line.trim().slice(0, LINE_CHARACTERS_MAX)
}

async function kill(scratch, mutant) {
  const startedAt = performance.now()
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1)
  try {
    const line = await attempt(scratch, mutant)
    say(`killed   ${mutant.patch}, ${seconds()} s: ${line}`)
    return true
  } catch (error) {
    say(`SURVIVED ${mutant.patch}, ${seconds()} s`)
    process.stderr.write(`violation: ${mutant.patch}: ${error.message}\n`)
    return false
  } finally {
    scratch.restore()
  }
}

async function sabotage(chosen, home) {
  mkdirSync(home, { recursive: true })
  const scratch = new Scratch(CHECKOUT, home)
  scratch.synchronize()
  const targets = [...new Set(chosen.map((mutant) => mutant.target))]
  const startedAt = performance.now()
  await checkFit(scratch)
  await scratch.compile(targets)
  if (targets.includes('millrace')) await scratch.compilePackage()
  await checkUnpatched(scratch, chosen)
  say(`unpatched: built and tested in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
  let killed = 0
  for (const [at, mutant] of chosen.entries()) {
    killed += (await kill(scratch, mutant)) ? 1 : 0
    say(`progress ${at + 1}`)
  }
  say(`result ${JSON.stringify({ trials: chosen.length, killed })}`)
  say(`${killed} passed, ${chosen.length - killed} failed`)
  return killed === chosen.length ? 0 : 1
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    killChildren()
    process.exit(EXIT_INTERRUPTED)
  })
}

async function main(argv) {
  const chosenOptions = parseOptions(argv)
  if (chosenOptions.help) {
    process.stdout.write(HELP)
    return 0
  }
  checkTable()
  // A seed that is the same at every change would leave out the same mutants for good.
  const seed = chosenOptions.tier === 'ci' ? today() : chosenOptions.seed
  const chosen = select(mutants, { ...chosenOptions, seed, table })
  if (!chosenOptions.list) return await sabotage(chosen, chosenOptions.scratch)
  for (const mutant of chosen) {
    say(`${String(mutant.number).padStart(2)}  ${headerOf(mutant)}`)
    say(`    ${mutant.command.join(' ')}`)
  }
  return 0
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const isUsage = error instanceof UsageError
  process.stderr.write(`${isUsage ? `sabotage: ${error.message}` : error.stack}\n`)
  process.exitCode = isUsage ? EXIT_USAGE : EXIT_FAILED
}
