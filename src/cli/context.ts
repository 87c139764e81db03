/** What every command is given, and how it is declared. */

import type { Readable } from 'node:stream'
import { type Command, Option } from 'commander'
import { hiddenClientSettings } from './client-settings.ts'
import { type Environment, type Flags, type ResolvedConfig, resolveConfig } from './config.ts'
import { readConfigFile } from './config-file.ts'
import type { ExitCode } from './exit-codes.ts'
import { CliOption, setExamples, settingOption } from './help.ts'
import type { Output } from './output.ts'

/** One run of the program. */
export interface Context {
  readonly output: Output
  readonly environment: Environment
  readonly stdin: Readable & { readonly isTTY?: boolean }
  /** Aborted by the first SIGINT or SIGTERM; the second one ends the process. */
  readonly signal: AbortSignal
}

/** One invocation: its arguments, its own options, and the settings. */
export interface Invocation extends Context {
  readonly args: readonly (string | undefined)[]
  readonly options: Readonly<Record<string, unknown>>
  readonly command: Command
  /** Reads the configuration; warns about variables that mean nothing. Throws a CliError. */
  config(): ResolvedConfig
}

export type Action = (invocation: Invocation) => Promise<ExitCode | undefined>

export interface CommandDefinition {
  /** As commander writes it: `tail <stream>`. */
  readonly usage: string
  /** A few words for the list of commands. */
  readonly summary: string
  /** What it does, in lines of 78 columns at most. */
  readonly purpose: string
  readonly examples: readonly string[]
  /** The paths of the settings that it uses. */
  readonly settings?: readonly string[]
  /** Those of them that its help leaves out; the purpose says where to find them. */
  readonly hiddenSettings?: readonly string[]
  readonly options?: readonly Option[]
  readonly action: Action
}

/** What ties the commands to the run that they belong to. */
export interface Runner {
  readonly context: Context
  /** Takes the exit code of the command that ran. */
  ended(exit: ExitCode | undefined): void
}

/** Adds a command with `--json`, `--config` where it has settings, and help. */
export function defineCommand(
  parent: Command,
  runner: Runner,
  definition: CommandDefinition,
): void {
  const { settings = [], hiddenSettings = [], options = [] } = definition
  const command = parent.command(definition.usage)
  command.summary(definition.summary).description(definition.purpose)
  setExamples(command, definition.examples)
  for (const option of options) command.addOption(option)
  for (const path of settings) {
    command.addOption(settingOption(path).hideHelp(hiddenSettings.includes(path)))
  }
  const hidden = settings.includes('url') ? hiddenClientSettings : []
  for (const path of hidden.filter((it) => !settings.includes(it))) {
    command.addOption(settingOption(path).hideHelp())
  }
  if (settings.length > 0) {
    command.addOption(
      new CliOption('--config <file>', 'settings', {
        fallback: './millrace.json, if there is one',
      }),
    )
  }
  command.addOption(new Option('--json', 'write JSON, one value a line'))
  command.helpOption('-h, --help', 'show this help')
  command.action(async (...given: unknown[]) => {
    runner.context.output.json = command.opts()['json'] === true
    const args = given.slice(0, -2) as (string | undefined)[]
    runner.ended(await definition.action(invocation(runner.context, command, args)))
  })
}

function invocation(
  context: Context,
  command: Command,
  args: readonly (string | undefined)[],
): Invocation {
  const options = command.opts<Record<string, unknown>>()
  return {
    ...context,
    args,
    options,
    command,
    config: () => {
      const config = resolveConfig({
        flags: flagsOf(command, options),
        environment: context.environment,
        file: readConfigFile(options['config'] as string | undefined),
      })
      for (const warning of config.warnings) context.output.warn(warning)
      return config
    },
  }
}

/** The values of the options that set something, by the path of the setting. */
function flagsOf(command: Command, options: Readonly<Record<string, unknown>>): Flags {
  return Object.fromEntries(
    command.options.flatMap((option) =>
      option instanceof CliOption && option.setting !== undefined
        ? [[option.setting.path, options[option.attributeName()]]]
        : [],
    ),
  )
}
