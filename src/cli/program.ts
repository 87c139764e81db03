/** The whole command line, and how it reports what went wrong. */

import { Command, CommanderError } from 'commander'
import { MillraceError } from '../errors.ts'
import type { Context, Runner } from './context.ts'
import { nearest } from './did-you-mean.ts'
import { CliError, type ExitCode, exitCodeOf, exitCodes, Stopped } from './exit-codes.ts'
import { CliHelp, setExamples } from './help.ts'
import { type Output, toJson } from './output.ts'
import { packageVersion } from './package-version.ts'

type Add = (program: Command, runner: Runner) => void

/**
 * The commands, in the order of the help, and what loads each. That of a command line is loaded
 * alone: to load all of them takes longer than most of what they do.
 */
const loaders: Readonly<Record<string, () => Promise<Add>>> = {
  serve: async () => (await import('./commands/serve.ts')).addServe,
  stream: async () => (await import('./commands/stream.ts')).addStreamCommands,
  consumer: async () => (await import('./commands/consumer.ts')).addConsumerCommands,
  put: async () => (await import('./commands/put.ts')).addPut,
  get: async () => (await import('./commands/get.ts')).addGet,
  tail: async () => (await import('./commands/tail.ts')).addTail,
  verify: async () => (await import('./commands/verify.ts')).addVerify,
  bench: async () => (await import('./commands/bench.ts')).addBench,
  doctor: async () => (await import('./commands/doctor.ts')).addDoctor,
  access: async () => (await import('./commands/access.ts')).addAccessCommands,
  key: async () => (await import('./commands/key.ts')).addKeyCommands,
  config: async () => (await import('./commands/config.ts')).addConfigCommands,
  explain: async () => (await import('./commands/explain.ts')).addExplain,
}

/** Runs one command line. `args` are those behind the name of the program. Never rejects. */
export async function runProgram(args: readonly string[], context: Context): Promise<ExitCode> {
  let exit: ExitCode = exitCodes.done
  const runner: Runner = {
    context,
    ended: (code) => {
      exit = code ?? exitCodes.done
    },
  }
  try {
    const program = await makeProgram(runner, args[0])
    await program.parseAsync(args, { from: 'user' })
    return brokenOutput(context.output) ?? exit
  } catch (error) {
    return brokenOutput(context.output) ?? (await report(error, runner, args))
  } finally {
    context.output.endProgress()
  }
}

/** With one command, or all of them where none has this name. */
async function makeProgram(runner: Runner, name = ''): Promise<Command> {
  const load = Object.hasOwn(loaders, name) ? loaders[name] : undefined
  const wanted = load === undefined ? Object.values(loaders) : [load]
  const program = emptyProgram(runner)
  for (const add of await Promise.all(wanted.map((it) => it()))) add(program, runner)
  inherit(program)
  return program
}

function emptyProgram(runner: Runner): Command {
  const program = new Command('millrace')
  const { output } = runner.context
  program
    .summary('stream broker')
    .description('A sharded, durable, replayable stream broker. Its codes: millrace explain CODE')
    .version(packageVersion(), '--version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({})
    .configureOutput({
      writeOut: (text) => output.line(text.trimEnd()),
      writeErr: (text) => output.note(text.trimEnd()),
      // Reported with its hint, by `report`.
      outputError: () => undefined,
    })
  program.createHelp = () => new CliHelp()
  setExamples(program, [
    'millrace serve                                       a broker on this machine',
    'millrace put orders --key customer-7 "order 1"       a record',
    'millrace tail orders --from oldest                   all records, then on',
  ])
  return program
}

/** Commander hands these down when a command is made, and then `createHelp` not at all. */
function inherit(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent)
    command.createHelp = parent.createHelp
    inherit(command)
  }
}

/** What a failed output ends with: quietly where the reader has gone. */
function brokenOutput(output: Output): ExitCode | undefined {
  if (!output.closed.aborted) return undefined
  const { code } = output.closed.reason as NodeJS.ErrnoException
  if (code === 'EPIPE') return exitCodes.done
  output.note(`error: the output cannot be written: ${code}`)
  return exitCodes.failed
}

/** An error as both people and programs are told about it. */
interface Failure {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  readonly retryAfterMs?: number
  readonly hint: string
}

async function report(error: unknown, runner: Runner, args: readonly string[]): Promise<ExitCode> {
  const { output } = runner.context
  output.endProgress()
  if (error instanceof CommanderError) return await reportUsage(error, runner, args)
  if (error instanceof Stopped) return error.exit
  if (error instanceof CliError) {
    const { code, message, hint } = error
    fail(output, { code, message, retryable: false, hint })
    return error.exit
  }
  const known = error instanceof MillraceError ? error : internal(error)
  const { code, message, retryable, retryAfterMs } = known
  const hint = hintOf(known)
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs }
  fail(output, { code, message, retryable, ...wait, hint })
  if (known !== error) output.note(error instanceof Error ? String(error.stack) : String(error))
  return exitCodeOf(code)
}

/** A certificate that is missing on either side is what a connection is most often lost of. */
function hintOf({ code, message, hint }: MillraceError): string {
  if (code !== 'CONNECTION_LOST' || !message.includes('certificate')) return hint
  return 'Name its authority: --tls-ca-file; your own: --client-cert-file and --client-key-file.'
}

function internal(error: unknown): MillraceError {
  const message = error instanceof Error ? error.message : String(error)
  return new MillraceError('INTERNAL', message, { cause: error })
}

/** Help and version are no errors; everything else about the command line is a usage error. */
async function reportUsage(
  error: CommanderError,
  runner: Runner,
  args: readonly string[],
): Promise<ExitCode> {
  if (error.code === 'commander.helpDisplayed' || error.code === 'commander.version') {
    return exitCodes.done
  }
  // The help was shown for want of a command.
  if (error.code === 'commander.help') return exitCodes.usage
  const [message = '', suggestion] = error.message.replace(/^error: /, '').split('\n')
  // What was meant may be of another command, unless one of them cannot be loaded.
  const program = await makeProgram(runner).catch(() => makeProgram(runner, args[0]))
  const suggested = /^\(Did you mean (?:one of )?(.*)\?\)$/.exec(suggestion ?? '')?.[1]
  const meant = suggested ?? hiddenOption(message, program)
  const hint = meant === undefined ? `See: ${helpOf(program, args)}` : `Did you mean ${meant}?`
  fail(runner.context.output, { code: 'USAGE', message, retryable: false, hint })
  return exitCodes.usage
}

/** How to ask for the help of the command that was meant. */
function helpOf(program: Command, args: readonly string[]): string {
  let command = program
  for (const word of args) {
    const found = command.commands.find((it) => it.name() === word)
    if (found === undefined) break
    command = found
  }
  const names = [command, ...ancestors(command)].map((it) => it.name())
  return `${names.reverse().join(' ')} --help`
}

function ancestors({ parent }: Command): Command[] {
  return parent === null ? [] : [parent, ...ancestors(parent)]
}

/** Commander suggests only what its help shows, which may be an option of another command. */
function hiddenOption(message: string, program: Command): string | undefined {
  const name = /^unknown option '(--[^']*)'/.exec(message)?.[1]
  if (name === undefined) return undefined
  const flags = (command: Command): string[] => [
    ...command.options.flatMap((option) => option.long ?? []),
    ...command.commands.flatMap(flags),
  ]
  const all = flags(program)
  return all.includes(name) ? undefined : nearest(name, all)
}

/** One line and its hint, or one JSON line; on stderr, for stdout carries data alone. */
function fail(output: Output, failure: Failure): void {
  if (output.json) {
    output.note(toJson({ error: failure }))
    return
  }
  output.note(`${output.errorStyle('red', 'error:')} ${failure.code}: ${failure.message}`)
  output.note(`${output.errorStyle('cyan', 'hint:')} ${failure.hint}`)
}
