/** Help in 80 columns: what a command is for, how it is called, examples, then its options. */

import { type Command, Help, Option } from 'commander'
import { toText } from './config.ts'
import { type Setting, settingAt } from './config-schema.ts'

/** An option with what help says about it behind its description. */
export class CliOption extends Option {
  /** What holds when the option is not given, as text. */
  readonly fallbackText: string | undefined
  readonly variable: string | undefined
  /** The setting that it sets. */
  readonly setting: Setting | undefined

  constructor(
    flags: string,
    description: string,
    details: { fallback?: string; setting?: Setting } = {},
  ) {
    super(flags, description)
    this.setting = details.setting
    this.variable = details.setting?.variable
    this.fallbackText = details.fallback
  }
}

/** The option of a setting. A list can be given several times. */
export function settingOption(path: string): CliOption {
  const setting = settingAt(path)
  const { text, kind, flag, fallback } = setting
  const shown = kind === 'switch' || toText(fallback) === '' ? {} : { fallback: toText(fallback) }
  const flags = text.value === undefined ? flag : `${flag} ${text.value}`
  const option = new CliOption(flags, text.about, { ...shown, setting })
  if (kind === 'list') {
    option.argParser((value: string, before: string[] = []) => [...before, ...value.split(',')])
  }
  return option
}

const columns = 80
const aboutColumns = 27

/** The examples of each command, for its help. */
const examplesOf = new WeakMap<Command, readonly string[]>()

export function setExamples(command: Command, examples: readonly string[]): void {
  examplesOf.set(command, examples)
}

export class CliHelp extends Help {
  override formatHelp(command: Command, helper: Help): string {
    const examples = examplesOf.get(command) ?? []
    const commands = helper
      .visibleCommands(command)
      .map((it): [string, string] => [
        helper.subcommandTerm(it).replace(' [options]', ''),
        it.summary(),
      ])
    return [
      `Usage: ${helper.commandUsage(command)}`,
      ...command.description().split('\n').map(indent),
      ...section('Examples:', examples),
      ...section('Commands:', columnsOf(commands)),
      ...section('Options:', helper.visibleOptions(command).flatMap(optionLines(command, helper))),
      '',
    ].join('\n')
  }
}

function indent(line: string): string {
  return `  ${line}`
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map(indent)]
}

function columnsOf(rows: readonly [string, string][]): string[] {
  const width = Math.max(...rows.map(([term]) => term.length))
  return rows.map(([term, about]) => `${term.padEnd(width)}  ${about}`)
}

/** One line for an option, or two where its default and its variable do not fit beside it. */
function optionLines(command: Command, helper: Help): (option: Option) => string[] {
  const width = helper.longestOptionTermLength(command, helper)
  return (option) => {
    const start = `${option.flags.padEnd(width)}  ${option.description}`
    const { fallbackText, variable } = option instanceof CliOption ? option : ({} as CliOption)
    const rest = [
      ...(fallbackText === undefined ? [] : [`[default: ${fallbackText}]`]),
      ...(variable === undefined ? [] : [`[env: ${variable}]`]),
    ].join(' ')
    if (rest === '') return [start]
    const line = `${start.padEnd(width + aboutColumns)}  ${rest}`
    if (line.length + 2 <= columns) return [line]
    if (start.length + 4 + rest.length <= columns) return [`${start}  ${rest}`]
    return [start, `${''.padEnd(width)}  ${rest}`]
  }
}
