/** `millrace config show|check|defaults`. */

import { type Command, Option } from 'commander'
import { defaultConfig, shownValue, toText } from '../config.ts'
import { settings } from '../config-schema.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { setExamples } from '../help.ts'
import { table } from '../output.ts'

const paths = settings.map((setting) => setting.path)

async function show({ config, output, options }: Invocation): Promise<undefined> {
  const { resolved } = config()
  if (output.json) {
    for (const it of resolved) {
      output.row({ setting: it.setting.path, value: shownValue(it), origin: it.origin })
    }
    return
  }
  const rows = resolved.map((it) => [
    it.setting.path,
    toText(shownValue(it)),
    ...(options['origin'] === true ? [it.origin] : []),
  ])
  for (const line of table(rows)) output.line(line)
}

async function check({ config, output }: Invocation): Promise<undefined> {
  const { resolved } = config()
  const changed = resolved.filter((it) => it.origin !== 'default').length
  output.show({ valid: true, settings: resolved.length, changed }, () => {
    return `the configuration is valid: ${resolved.length} settings, ${changed} of them set`
  })
}

async function defaults({ output, options }: Invocation): Promise<undefined> {
  if (options['env'] === true) {
    for (const { variable, fallback } of settings) output.line(`${variable}=${toText(fallback)}`)
    return
  }
  if (output.json) output.row(defaultConfig())
  else output.line(JSON.stringify(defaultConfig(), null, 2))
}

export function addConfigCommands(program: Command, runner: Runner): void {
  const config = program.command('config').summary('the settings and where they come from')
  config.description(
    'Settings come from flags, else from MILLRACE_ variables of the environment,\n' +
      'else from the file, else from the defaults.',
  )
  config.helpOption('-h, --help', 'show this help').helpCommand(false)
  setExamples(config, [
    'millrace config show --origin          each value, and where it comes from',
    'millrace config defaults > millrace.json',
  ])
  defineCommand(config, runner, {
    usage: 'show',
    summary: 'each setting with its value',
    purpose: 'Print each setting with its value; passwords are masked.',
    examples: ['millrace config show --origin', 'MILLRACE_LISTEN=[::1]:4570 millrace config show'],
    settings: paths,
    hiddenSettings: paths,
    options: [new Option('--origin', 'also where each value comes from')],
    action: show,
  })
  defineCommand(config, runner, {
    usage: 'check',
    summary: 'whether the configuration is right',
    purpose: 'Check flags, environment and file; exits 2 and says what is wrong.',
    examples: ['millrace config check --config ./millrace.json'],
    settings: paths,
    hiddenSettings: paths,
    action: check,
  })
  defineCommand(config, runner, {
    usage: 'defaults',
    summary: 'what holds when nothing is set',
    purpose: 'Print the defaults as a configuration file, or as variables.',
    examples: ['millrace config defaults > millrace.json', 'millrace config defaults --env'],
    options: [new Option('--env', 'as environment variables')],
    action: defaults,
  })
}
