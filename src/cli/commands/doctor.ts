/** `millrace doctor`: whether everything is there that a broker needs, and what to do if not. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Command, Option } from 'commander'
import { readClientTls } from '../client-tls.ts'
import { resolveConfig } from '../config.ts'
import type { Config } from '../config-schema.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { type Check, failed, ok } from '../doctor/check.ts'
import { checkAddon, checkLibc, checkNode, checkUws } from '../doctor/machine.ts'
import { checkProtection } from '../doctor/protection.ts'
import {
  checkBroker,
  checkDirectory,
  checkPort,
  checkSpace,
  checkSync,
} from '../doctor/surroundings.ts'
import { CliError, type ExitCode, exitCodes } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import { packageVersion } from '../package-version.ts'
import { plural } from '../units.ts'

const marks = {
  ok: ['green', 'ok'],
  warning: ['yellow', 'warning'],
  failed: ['red', 'FAILED'],
} as const
const nameColumns = 15

function show(output: Output, check: Check, quiet: boolean): void {
  if (quiet && check.state === 'ok') return
  output.show(check, () => {
    const [style, mark] = marks[check.state]
    return [
      `${output.style(style, mark.padEnd(7))}  ${check.name.padEnd(nameColumns)} ${check.detail}`,
      ...(check.hint === undefined ? [] : [`${' '.repeat(9)}hint: ${check.hint}`]),
    ]
  })
}

/** Each check, as it is done: one can take seconds. */
async function* checks(invocation: Invocation): AsyncGenerator<Check> {
  yield checkNode()
  yield checkLibc()
  yield checkUws()
  yield await checkAddon()
  const { config, check } = readConfig(invocation)
  yield check
  const { data, listen } = config.values
  yield* checkProtection(config.values)
  const directory = checkDirectory(data)
  yield directory
  if (directory.state === 'ok') {
    yield checkSpace(data)
    yield checkSync(data)
  }
  const named = config.resolved.find((it) => it.setting.path === 'url')?.origin !== 'default'
  const broker = await brokerCheck(config.values, named)
  yield broker
  yield await checkPort(listen, broker.detail.startsWith('ready'))
}

/** A file that cannot be read is a finding like others. */
async function brokerCheck(config: Config, isNamed: boolean): Promise<Check> {
  try {
    return await checkBroker(config.url, isNamed, readClientTls(config))
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    return failed('certificates', error.message, error.hint)
  }
}

async function doctor(invocation: Invocation): Promise<ExitCode> {
  const { output, options } = invocation
  if (options['build'] === true) buildAddon()
  const quiet = options['quiet'] === true
  if (!output.json && !quiet) output.line(`millrace ${packageVersion()}`)
  const bad: Check[] = []
  for await (const check of checks(invocation)) {
    show(output, check, quiet)
    if (check.state === 'failed') bad.push(check)
  }
  if (bad.length === 0) return exitCodes.done
  return bad.every((it) => it.name === 'broker') ? exitCodes.unreachable : exitCodes.failed
}

/** A wrong configuration is a finding like others; the rest is then checked with the defaults. */
function readConfig({ config }: Invocation) {
  try {
    const read = config()
    const set = read.resolved.filter((it) => it.origin !== 'default').length
    return {
      config: read,
      check: ok('configuration', `valid, ${plural(set, 'setting')} given`),
    }
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    const config = resolveConfig({ flags: {}, environment: {} })
    return { config, check: failed('configuration', error.message, error.hint) }
  }
}

/** Runs the install script, and shows what it prints. Throws a CliError, ADDON_MISSING. */
function buildAddon(): void {
  const script = fileURLToPath(new URL('../../../native/install.cjs', import.meta.url))
  const { status } = spawnSync(process.execPath, [script], { stdio: ['ignore', 2, 2] })
  if (status !== 0) {
    throw new CliError('ADDON_MISSING', 'the native addon could not be compiled', {
      hint: 'Install what the lines above name, then try again.',
    })
  }
}

export function addDoctor(program: Command, runner: Runner): void {
  defineCommand(program, runner, {
    usage: 'doctor',
    summary: 'check this machine and the settings',
    purpose:
      'Check Node, libc, the binaries, what protects a broker, the data directory,\n' +
      'its disk, the port and the broker. Exits 1 when something failed, 6 when only\n' +
      'a named broker did.',
    examples: ['millrace doctor', 'millrace doctor --build', 'millrace doctor --quiet --url $URL'],
    settings: ['data', 'listen', 'url'],
    options: [
      new Option('--build', 'compile the native addon first'),
      new Option('--quiet', 'only what is wrong'),
    ],
    action: doctor,
  })
}
