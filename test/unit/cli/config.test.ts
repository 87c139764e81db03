import { describe, expect, it } from 'vitest'
import {
  type ConfigSources,
  defaultConfig,
  resolveConfig,
  shownValue,
  toText,
} from '../../../src/cli/config.ts'
import {
  configSchema,
  parseAddress,
  parseCreate,
  settings,
} from '../../../src/cli/config-schema.ts'
import { CliError } from '../../../src/cli/exit-codes.ts'
import { constants } from '../../../src/log/binding.ts'
import { scalingDefaults } from '../../../src/stream/scaling/settings.ts'

function resolve(sources: Partial<ConfigSources> = {}) {
  return resolveConfig({ flags: {}, environment: {}, ...sources })
}

function origin(path: string, sources: Partial<ConfigSources>): string | undefined {
  return resolve(sources).resolved.find((it) => it.setting.path === path)?.origin
}

function refusal(sources: Partial<ConfigSources>): CliError {
  try {
    resolve(sources)
  } catch (error) {
    if (error instanceof CliError) return error
    throw error
  }
  throw new Error('it was taken')
}

const file = (content: unknown) => ({ name: './millrace.json', text: JSON.stringify(content) })

describe('precedence', () => {
  const flags = { listen: '127.0.0.1:1' }
  const environment = { MILLRACE_LISTEN: '127.0.0.1:2' }
  const inFile = file({ listen: '127.0.0.1:3' })

  it.each([
    [{ flags, environment, file: inFile }, '127.0.0.1:1', 'flag --listen'],
    [{ environment, file: inFile }, '127.0.0.1:2', 'environment MILLRACE_LISTEN'],
    [{ file: inFile }, '127.0.0.1:3', 'file ./millrace.json'],
    [{}, '127.0.0.1:4570', 'default'],
  ])('of %j', (sources, value, from) => {
    expect(resolve(sources).values.listen).toBe(value)
    expect(origin('listen', sources)).toBe(from)
  })

  it('lets STATE_DIRECTORY stand in for the default directory alone', () => {
    const state = { STATE_DIRECTORY: '/var/lib/millrace:/var/lib/other' }
    expect(resolve({ environment: state }).values.data).toBe('/var/lib/millrace')
    expect(origin('data', { environment: state })).toBe('environment STATE_DIRECTORY')
    expect(origin('data', { environment: state, file: file({ data: 'd' }) })).toMatch(/^file/)
  })

  it('takes an empty variable for one that is not set', () => {
    expect(origin('listen', { environment: { MILLRACE_LISTEN: '' } })).toBe('default')
  })
})

describe('every setting', () => {
  it.each(settings.map((it) => [it.path, it] as const))(
    '%s can be set by its variable',
    (_, it) => {
      const numbers = ['30000', '65536', '7', it.text.example]
      const values = {
        text: it.text.example,
        number: numbers.find((one) => it.schema.safeParse(Number(one)).success) ?? '',
        switch: 'true',
        list: it.text.example,
      }
      const text = values[it.kind]
      const { resolved, warnings } = resolve({ environment: { [it.variable]: text } })
      expect(warnings).toEqual([])
      const found = resolved.find(({ setting }) => setting === it)
      expect(found?.origin).toBe(`environment ${it.variable}`)
      expect(toText(found?.value)).toBe(text)
    },
  )

  it('has a name for a flag and for a variable', () => {
    const names = settings.map(({ path, flag, variable }) => [path, flag, variable])
    expect(names).toContainEqual(['logLevel', '--log-level', 'MILLRACE_LOG_LEVEL'])
    expect(names).toContainEqual([
      'storage.spareSegments',
      '--storage-spare-segments',
      'MILLRACE_STORAGE_SPARE_SEGMENTS',
    ])
  })

  it('has an example that is taken', () => {
    const list = settings.filter((it) => it.kind !== 'switch')
    for (const { variable, text } of list) resolve({ environment: { [variable]: text.example } })
  })

  it('has a default that the file takes back', () => {
    const { values } = resolve({ file: file(defaultConfig()) })
    expect(values).toEqual(configSchema.parse({ ...defaultConfig() }))
  })

  it('has the default of the log core, where it is one of its options', () => {
    const core = Object.fromEntries(
      constants.openOptions.map((name, index) => [name, Number(constants.openDefaults[index])]),
    )
    expect(core).toMatchObject(defaultConfig()['storage'] as object)
  })

  it('has the default of the broker, where it is one of its scaling', () => {
    expect(defaultConfig()['scaling']).toEqual(scalingDefaults)
  })
})

describe('a wrong value', () => {
  it.each([
    [
      { flags: { listen: 'nowhere' } },
      'listen is "nowhere" (from flag --listen), wanted HOST:PORT with a port of 0 to 65535, ' +
        'where 0 is any free one',
      'Set it with --listen 127.0.0.1:4570, MILLRACE_LISTEN=127.0.0.1:4570, or "listen" in ' +
        'the file.',
    ],
    [
      { environment: { MILLRACE_STORAGE_SPARE_SEGMENTS: '5000' } },
      'storage.spareSegments is 5000 (from environment MILLRACE_STORAGE_SPARE_SEGMENTS), ' +
        'wanted a whole number, 0 to 1024',
      'Set it with --storage-spare-segments 2, MILLRACE_STORAGE_SPARE_SEGMENTS=2, or ' +
        '"storage.spareSegments" in the file.',
    ],
    [
      { file: file({ ephemeral: 'maybe' }) },
      'ephemeral is "maybe" (from file ./millrace.json), wanted true or false',
      'Set it with --ephemeral, MILLRACE_EPHEMERAL=true, or "ephemeral" in the file.',
    ],
    [
      { file: file({ storage: 7 }) },
      './millrace.json has the unknown key storage',
      'See what it may hold: millrace config defaults',
    ],
    [
      { file: file({ storage: { spareSegment: 7 } }) },
      './millrace.json has the unknown key storage.spareSegment',
      'Did you mean storage.spareSegments?',
    ],
    [
      { file: file({ lissten: '127.0.0.1:1' }) },
      './millrace.json has the unknown key lissten',
      'Did you mean listen?',
    ],
    [
      { file: file([]) },
      './millrace.json holds no JSON object',
      'It looks like {"listen": "127.0.0.1:4570"}; see: millrace config defaults',
    ],
  ])('%j is refused by name', (sources, message, hint) => {
    const error = refusal(sources)
    expect(error.message).toBe(message)
    expect(error.hint).toBe(hint)
    expect(error.exit.status).toBe(2)
  })

  it('is refused in a file that is no JSON', () => {
    const error = refusal({ file: { name: 'x.json', text: '{"listen": ' } })
    expect(error.message).toMatch(/^x\.json is no JSON: /)
    expect(error.exit.status).toBe(2)
  })

  it.each(['create', 'url', 'logLevel', 'data'])('of %s is refused', (path) => {
    const wrong = { create: 'a b', url: 'http://x', logLevel: 'loud', data: '' }
    const error = refusal({ flags: { [path]: wrong[path as keyof typeof wrong] } })
    expect(error.message).toMatch(new RegExp(`^${path} is `))
  })
})

describe('unknown variables', () => {
  it('are warned about, with what was meant', () => {
    expect(
      resolve({ environment: { MILLRACE_LISTN: 'x', MILLRACE_NEVER_HEARD_OF: 'x' } }).warnings,
    ).toEqual([
      'the environment variable MILLRACE_LISTN is no setting and has no effect; ' +
        'did you mean MILLRACE_LISTEN?',
      'the environment variable MILLRACE_NEVER_HEARD_OF is no setting and has no effect',
    ])
  })

  it('are left alone where Kubernetes injects them', () => {
    const environment = {
      MILLRACE_PORT: 'tcp://10.0.0.1:4570',
      MILLRACE_PORT_4570_TCP_ADDR: '10.0.0.1',
      MILLRACE_SERVICE_HOST: '10.0.0.1',
      MILLRACE_ADDON: 'x.node',
      OTHER: 'x',
    }
    expect(resolve({ environment }).warnings).toEqual([])
  })
})

it('masks what may be a secret', () => {
  const flags = { url: 'wss://ann:secret@example.org/?token=abc' }
  const url = resolve({ flags }).resolved.find((it) => it.setting.path === 'url')
  expect(url && shownValue(url)).toBe('wss://ann:***@example.org/?***')
  expect(resolve({ flags }).values.url).toBe(flags.url)
})

it('merges lists of flags that were given several times', () => {
  expect(resolve({ flags: { create: ['a:2', 'b'] } }).values.create).toEqual(['a:2', 'b'])
  expect(resolve({ environment: { MILLRACE_CREATE: 'a:2,b' } }).values.create).toEqual(['a:2', 'b'])
})

it.each([
  ['127.0.0.1:4570', { host: '127.0.0.1', port: 4570 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  ['localhost:65535', { host: 'localhost', port: 65535 }],
  ['127.0.0.1:65536', undefined],
  ['127.0.0.1', undefined],
  ['::1:80', undefined],
  [':80', undefined],
])('reads the address %s', (text, address) => {
  expect(parseAddress(text)).toEqual(address)
})

it.each([
  ['orders:8', { name: 'orders', shardCount: 8 }],
  ['orders', { name: 'orders' }],
  ['orders:0', undefined],
  ['or ders', undefined],
])('reads %s as a stream to be created', (text, stream) => {
  expect(parseCreate(text)).toEqual(stream)
})

describe('settings that do not go together', () => {
  const server = (pingMillis: number, silenceMillisMax: number) => ({
    file: file({ server: { pingMillis, silenceMillisMax } }),
  })

  it('are refused where silence would end before a ping is answered', () => {
    const { code, message } = refusal(server(20_000, 24_999))
    expect(code).toBe('CONFIGURATION_INVALID')
    expect(message).toMatch(/silenceMillisMax is 24999.*pingMillis of 20000, wanted 25000/)
    expect(resolve(server(20_000, 25_000)).values.server.silenceMillisMax).toBe(25_000)
  })

  const first = (bytes: number, more: object, rest: object = {}) => ({
    file: file({ access: { unauthenticatedMessageBytesMax: bytes, ...more }, ...rest }),
  })

  it('are refused where a first message may be larger than any', () => {
    const { code, message, hint } = refusal(first(10_001, { unknownFrameBytesMax: 10_000 }))
    expect(code).toBe('CONFIGURATION_INVALID')
    expect(message).toMatch(
      /unauthenticatedMessageBytesMax is 10001,.* access\.unknownFrameBytesMax is 10000, wanted/,
    )
    expect(hint).toBe(
      'Set a lower access.unauthenticatedMessageBytesMax, or a higher one of the other.',
    )
    resolve(first(10_000, { unknownFrameBytesMax: 10_000 }))
    const few = { server: { frameBytesMax: 20_000 } }
    expect(refusal(first(20_001, {}, few)).message).toContain('server.frameBytesMax is 20000')
    resolve(first(20_000, {}, few))
  })
})
