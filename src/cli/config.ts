/**
 * The values of the settings and where each comes from: flags win over environment variables,
 * those over the file, and that over the defaults.
 */

import {
  type Config,
  configSchema,
  type Setting,
  type SettingKind,
  settings,
} from './config-schema.ts'
import { nearest } from './did-you-mean.ts'
import { CliError } from './exit-codes.ts'
import { firstMessageRefusal, silenceRefusal } from './server-settings.ts'

/** Flags by the path of their setting, as text, as given; switches are true or false. */
export type Flags = Readonly<Record<string, unknown>>
export type Environment = Readonly<Record<string, string | undefined>>

/** The content of a configuration file, and the name under which it was found. */
export interface ConfigFile {
  readonly name: string
  readonly text: string
}

export interface ConfigSources {
  readonly flags: Flags
  readonly environment: Environment
  readonly file?: ConfigFile | undefined
}

/** A setting with its value, as `config show` prints it. */
export interface ResolvedSetting {
  readonly setting: Setting
  readonly value: unknown
  /** `flag --data`, `environment MILLRACE_DATA`, `file NAME`, `default`. */
  readonly origin: string
}

export interface ResolvedConfig {
  readonly values: Config
  readonly resolved: readonly ResolvedSetting[]
  readonly warnings: readonly string[]
}

/** Where `value` was found, before it is known to be right. */
interface Candidate {
  readonly value: unknown
  readonly origin: string
}

/**
 * Throws a CliError, CONFIGURATION_INVALID, that names the setting, its value, what it has to be,
 * where it came from and what would be right.
 */
export function resolveConfig(sources: ConfigSources): ResolvedConfig {
  const fromFile = readKeys(sources.file)
  const resolved = settings.map((setting) => {
    const candidate = candidateFor(setting, sources, fromFile)
    return { setting, value: check(setting, candidate), origin: candidate.origin }
  })
  const values = configSchema.parse(nest(resolved))
  checkTogether(values)
  return {
    values,
    resolved,
    warnings: unknownVariables(sources.environment),
  }
}

/** Settings of which each is right, and that do not go together. */
function checkTogether(config: Config): void {
  refuse(
    silenceRefusal(config.server),
    'Set a longer server.silenceMillisMax, or a shorter server.pingMillis.',
  )
  refuse(
    firstMessageRefusal(config),
    'Set a lower access.unauthenticatedMessageBytesMax, or a higher one of the other.',
  )
}

function refuse(refusal: string | undefined, hint: string): void {
  if (refusal !== undefined) throw new CliError('CONFIGURATION_INVALID', refusal, { hint })
}

function candidateFor(
  setting: Setting,
  { flags, environment }: ConfigSources,
  fromFile: ReadonlyMap<string, Candidate>,
): Candidate {
  const flag = flags[setting.path]
  if (flag !== undefined) return { value: fromText(setting, flag), origin: `flag ${setting.flag}` }
  const variable = environment[setting.variable]
  if (variable !== undefined && variable !== '') {
    const origin = `environment ${setting.variable}`
    return { value: fromText(setting, variable), origin }
  }
  const inFile = fromFile.get(setting.path)
  if (inFile !== undefined) return inFile
  // What systemd gives a unit with StateDirectory=; several are separated by colons.
  const [state] = (environment['STATE_DIRECTORY'] ?? '').split(':')
  if (setting.path === 'data' && state !== undefined && state !== '') {
    return { value: state, origin: 'environment STATE_DIRECTORY' }
  }
  return { value: setting.fallback, origin: 'default' }
}

const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  '1': true,
  yes: true,
  false: false,
  '0': false,
  no: false,
}

const readers: Readonly<Record<SettingKind, (text: string) => unknown>> = {
  text: (text) => text,
  number: (text) => (/^\d+$/.test(text) ? Number(text) : text),
  switch: (text) => booleans[text.toLowerCase()] ?? text,
  list: (text) => text.split(',').filter((part) => part !== ''),
}

/** A flag or a variable is text; a text that cannot be read stays one, and fails its check. */
function fromText(setting: Setting, value: unknown): unknown {
  if (Array.isArray(value)) return value.flatMap((part) => readers[setting.kind](String(part)))
  return typeof value === 'string' ? readers[setting.kind](value) : value
}

function check(setting: Setting, { value, origin }: Candidate): unknown {
  const parsed = setting.schema.safeParse(value)
  if (parsed.success) return parsed.data
  const { wanted, example } = setting.text
  throw new CliError(
    'CONFIGURATION_INVALID',
    `${setting.path} is ${JSON.stringify(value)} (from ${origin}), wanted ${wanted}`,
    {
      hint: `Set it with ${setting.flag}${setting.kind === 'switch' ? '' : ` ${example}`}, ${
        setting.variable
      }=${example}, or "${setting.path}" in the file.`,
    },
  )
}

/** The keys of the file that name settings, flat; anything else in it is an error. */
function readKeys(file: ConfigFile | undefined): Map<string, Candidate> {
  const found = new Map<string, Candidate>()
  if (file === undefined) return found
  const root = parseFile(file)
  for (const [path, value] of flatten(root)) {
    if (!settings.some((setting) => setting.path === path)) throw unknownKey(path, file.name)
    found.set(path, { value, origin: `file ${file.name}` })
  }
  return found
}

function parseFile(file: ConfigFile): object {
  let root: unknown
  try {
    root = JSON.parse(file.text)
  } catch (error) {
    throw noJson(file.name, error)
  }
  if (isObject(root)) return root
  throw new CliError('CONFIGURATION_INVALID', `${file.name} holds no JSON object`, {
    hint: 'It looks like {"listen": "127.0.0.1:4570"}; see: millrace config defaults',
  })
}

function noJson(name: string, cause: unknown): CliError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new CliError('CONFIGURATION_INVALID', `${name} is no JSON: ${reason}`, {
    hint: 'Correct it, or begin with the output of: millrace config defaults',
    cause,
  })
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const sections = new Set(
  settings.flatMap(({ path }) => (path.includes('.') ? path.split('.').slice(0, 1) : [])),
)

function* flatten(root: object): Generator<[string, unknown]> {
  for (const [key, value] of Object.entries(root)) {
    if (sections.has(key) && isObject(value)) {
      for (const [inner, it] of Object.entries(value)) yield [`${key}.${inner}`, it]
    } else {
      yield [key, value]
    }
  }
}

function unknownKey(path: string, file: string): CliError {
  const paths = settings.map((setting) => setting.path)
  const meant = nearest(path, paths)
  return new CliError('CONFIGURATION_INVALID', `${file} has the unknown key ${path}`, {
    hint:
      meant === undefined
        ? 'See what it may hold: millrace config defaults'
        : `Did you mean ${meant}?`,
  })
}

/** Kubernetes injects the first two for a service that is called millrace. */
const foreignVariables = /^MILLRACE_(?:PORT|SERVICE)(?:_|$)/
/**
 * Not settings: where a developer's build of the addon is (src/log/binding.ts), and a token, which
 * must not be shown as settings are.
 */
const otherVariables = new Set(['MILLRACE_ADDON', 'MILLRACE_TOKEN'])

function unknownVariables(environment: Environment): string[] {
  const known = new Set(settings.map((setting) => setting.variable))
  return Object.keys(environment)
    .filter((name) => name.startsWith('MILLRACE_') && !foreignVariables.test(name))
    .filter((name) => !known.has(name) && !otherVariables.has(name))
    .map((name) => {
      const meant = nearest(name, known)
      const question = meant === undefined ? '' : `; did you mean ${meant}?`
      return `the environment variable ${name} is no setting and has no effect${question}`
    })
}

function nest(resolved: readonly ResolvedSetting[]): Record<string, unknown> {
  const root: Record<string, unknown> = {}
  for (const { setting, value } of resolved) {
    const [section, key] = setting.path.split('.')
    if (section === undefined || key === undefined) root[setting.path] = value
    else root[section] = { ...(root[section] as object | undefined), [key]: value }
  }
  return root
}

/** The value as it may be shown. */
export function shownValue({
  setting,
  value,
}: Pick<ResolvedSetting, 'setting' | 'value'>): unknown {
  return setting.text.mask === undefined ? value : setting.text.mask(value)
}

/** The defaults as the file would hold them. */
export function defaultConfig(): Record<string, unknown> {
  return nest(settings.map((setting) => ({ setting, value: setting.fallback, origin: 'default' })))
}

/** A value as an environment variable holds it. */
export function toText(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value)
}
