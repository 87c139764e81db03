/**
 * The settings: one schema, from which flags, environment variables, the keys of the file, their
 * checks, their defaults and their help are made.
 */

import { z } from 'zod'
import * as limits from '../limits.ts'
import { shardCountMax, shardCountUpdatesDefault, shardCountUpdatesHighest } from '../limits.ts'
import { fanOutSettings } from './fan-out-settings.ts'
import { serverSettings } from './server-settings.ts'

/** What the schema itself does not say about a setting. */
export interface SettingText {
  /** A few words for the help. */
  readonly about: string
  /** How help writes the value: `<host:port>`. Switches have none. */
  readonly value?: string
  /** What a value has to be, behind "wanted". */
  readonly wanted: string
  /** A value that works. */
  readonly example: string
  /** How a value is shown where it may hold a secret. */
  readonly mask?: (value: unknown) => unknown
}

const texts = z.registry<SettingText>()

const portMax = 65_535
const addressPattern = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/

/** The parts of HOST:PORT, or undefined where it is none. An IPv6 address is in brackets. */
export function parseAddress(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, digits] = addressPattern.exec(text) ?? []
  const port = Number(digits)
  const host = bracketed ?? plain
  return host !== undefined && port <= portMax ? { host, port } : undefined
}

const createPattern = /^([a-zA-Z0-9_.-]{1,128})(?::([1-9]\d{0,4}))?$/

/** NAME or NAME:SHARDS, or undefined where it is neither. */
export function parseCreate(text: string): { name: string; shardCount?: number } | undefined {
  const [, name, shards] = createPattern.exec(text) ?? []
  if (name === undefined) return undefined
  return shards === undefined ? { name } : { name, shardCount: Number(shards) }
}

function isBrokerUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  return ['ws:', 'wss:'].includes(new URL(text).protocol)
}

function maskUrl(value: unknown): unknown {
  const url = new URL(value as string)
  if (url.password === '' && url.search === '') return value
  if (url.password !== '') url.password = '***'
  if (url.search !== '') url.search = '?***'
  return url.href
}

/** A whole number with its bounds; `about` is left to say what for. */
function count(about: string, min: number, max: number, fallback: number) {
  return z
    .int()
    .min(min)
    .max(max)
    .default(fallback)
    .register(texts, {
      about,
      value: '<n>',
      wanted: `a whole number, ${min} to ${max}`,
      example: String(fallback),
    })
}

function toggle(about: string) {
  return z
    .boolean()
    .default(false)
    .register(texts, { about, wanted: 'true or false', example: 'true' })
}

function names(about: string, example: string) {
  return z.array(z.string().min(1)).default([]).register(texts, {
    about,
    value: '<name,...>',
    wanted: 'names, several with commas between them',
    example,
  })
}

function fileName(about: string, example: string) {
  return z.string().default('').register(texts, {
    about,
    value: '<file>',
    wanted: 'the name of a file in PEM',
    example,
  })
}

const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const

const mebibyte = 1024 * 1024
const dayMillis = 86_400_000
const rateMax = 2 ** 40
const consumersPerStreamHighest = 1000

export const configSchema = z.strictObject({
  listen: z
    .string()
    .refine((text) => parseAddress(text) !== undefined)
    .default('127.0.0.1:4570')
    .register(texts, {
      about: 'address',
      value: '<host:port>',
      wanted: `HOST:PORT with a port of 0 to ${portMax}, where 0 is any free one`,
      example: '127.0.0.1:4570',
    }),
  adminListen: z
    .string()
    .refine((text) => text === '' || parseAddress(text) !== undefined)
    .default('')
    .register(texts, {
      about: 'address of metrics alone',
      value: '<host:port>',
      wanted: 'HOST:PORT, on loopback',
      example: '127.0.0.1:4571',
    }),
  data: z.string().min(1).default('./millrace-data').register(texts, {
    about: 'data directory',
    value: '<dir>',
    wanted: 'the name of a directory',
    example: './millrace-data',
  }),
  ephemeral: toggle('deleted at exit'),
  keyFile: z.string().default('').register(texts, {
    about: 'keys of encrypted streams',
    value: '<file>',
    wanted: 'the name of a file that millrace key new has made',
    example: './millrace.keys',
  }),
  accessFile: z.string().default('').register(texts, {
    about: 'who may connect, and do what',
    value: '<file>',
    wanted: 'the name of an access file; see: millrace access --help',
    example: './millrace-access.json',
  }),
  create: z
    .array(z.string().refine((text) => parseCreate(text) !== undefined))
    .default([])
    .register(texts, {
      about: 'streams to have: orders:8',
      value: '<streams>',
      wanted: 'NAME or NAME:SHARDS, several with commas between them',
      example: 'orders:8',
    }),
  logLevel: z
    .enum(logLevels)
    .default('info')
    .register(texts, {
      about: 'least that is logged',
      value: '<level>',
      wanted: `one of ${logLevels.join(', ')}`,
      example: 'info',
    }),
  insecureNoAuth: toggle('let anybody in'),
  insecureNoTls: toggle('allow plain text'),
  insecureRunAsRoot: toggle('keep the rights of root'),
  runAs: z
    .string()
    .regex(/^(?:[\w.-]+(?::[\w.-]+)?)?$/)
    .default('')
    .register(texts, {
      about: 'user to become, as root',
      value: '<user:group>',
      wanted: 'USER or USER:GROUP, by names or ids',
      example: 'millrace:millrace',
    }),
  tlsCertFile: fileName('certificate of the broker', './broker.pem'),
  tlsKeyFile: fileName('... and its private key', './broker.key'),
  tlsClientCaFile: fileName('authorities of clients', './clients.pem'),
  allowedOrigins: names('origins of web pages that may connect', 'https://example.org'),
  allowedHosts: names('further names of this host', 'broker.local'),
  url: z.string().refine(isBrokerUrl).default('ws://127.0.0.1:4570').register(texts, {
    about: 'broker',
    value: '<url>',
    wanted: 'a URL that begins with ws:// or wss://',
    example: 'ws://127.0.0.1:4570',
    mask: maskUrl,
  }),
  tokenFile: z.string().default('').register(texts, {
    about: 'file with your token',
    value: '<file>',
    wanted: 'the name of a file that holds a token; MILLRACE_TOKEN holds one itself',
    example: './millrace.token',
  }),
  tlsCaFile: fileName('authority of the broker', './ca.pem'),
  clientCertFile: fileName('certificate of the client', './client.pem'),
  clientKeyFile: fileName('... and its private key', './client.key'),
  insecurePlainToken: toggle('send a token in plain text'),
  /** Options of the log core under their names there; a test compares the defaults. */
  storage: z.strictObject({
    diskLowWaterBytes: count(
      'free space below which puts are refused; 0 = 5 %',
      0,
      Number.MAX_SAFE_INTEGER,
      0,
    ),
    scrubBytesPerSecond: count(
      'pace of the background check; 0 = none',
      0,
      1024 * mebibyte,
      16 * mebibyte,
    ),
    idleMarkerMillis: count('quiet time before a tail is proven', 0, 2 ** 32 - 1, 100),
    spareSegments: count('segment files kept ready', 0, 1024, 2),
    producersMax: count('producers remembered per shard', 0, 1024 * 1024, 1024),
  }),
  /** When ON_DEMAND streams split and merge their shards; a test compares the defaults. */
  scaling: z.strictObject({
    disabled: toggle('leave the shards as they are'),
    shardBytesPerSecond: count('bytes a second that a shard carries', 1, rateMax, 64 * mebibyte),
    shardRecordsPerSecond: count('records a second that it carries', 1, rateMax, 100_000),
    lookMillis: count('time between two looks at the loads', 10, dayMillis, 10_000),
    splitPercent: count('load above which a shard is split', 1, 100, 50),
    splitMillis: count('... when it has had it for so long', 10, dayMillis, 60_000),
    mergePercent: count('load below which two are merged', 0, 50, 12),
    mergeMillis: count('... when they have had it for so long', 10, 30 * dayMillis, 3_600_000),
    cooldownMillis: count('rest between two changes of a stream', 0, dayMillis, 60_000),
    shardsMin: count('open shards: merges go no lower', 1, shardCountMax, 4),
    shardsMax: count('open shards: splits go no higher', 1, shardCountMax, 64),
  }),
  /** Limits of those who connect, under their names in the server. */
  access: z.strictObject({
    authenticationMillisMax: count(
      'time for a first message with a token',
      1,
      60_000,
      limits.authenticationMillisMax,
    ),
    unauthenticatedConnectionsMax: count(
      'connections that have yet to send one',
      1,
      10_000,
      limits.unauthenticatedConnectionsMax,
    ),
    unauthenticatedConnectionsPerAddressMax: count(
      '... of an address',
      1,
      10_000,
      limits.unauthenticatedConnectionsPerAddressMax,
    ),
    unauthenticatedMessageBytesMax: count(
      'bytes of a first message',
      256,
      1024 * 1024,
      limits.unauthenticatedMessageBytesMax,
    ),
    unknownFrameBytesMax: count(
      '... of one of who sends a first one',
      8192,
      limits.frameBytesMax,
      limits.unknownFrameBytesMax,
    ),
    failedAuthenticationsBurst: count(
      'wrong tokens of an address at once',
      1,
      1_000_000,
      limits.failedAuthenticationsBurst,
    ),
    failedAuthenticationsPerSecond: count(
      '... and a second from then on',
      1,
      1_000_000,
      limits.failedAuthenticationsPerSecond,
    ),
    connectionRequestsPerSecond: count(
      'requests a second of a connection',
      1,
      rateMax,
      limits.connectionRequestsPerSecond,
    ),
    connectionBytesPerSecond: count(
      'bytes a second of them',
      1,
      rateMax,
      limits.connectionBytesPerSecond,
    ),
    connectionFramesPerSecond: count(
      'frames a second that are no request',
      1,
      rateMax,
      limits.connectionFramesPerSecond,
    ),
  }),
  server: serverSettings(count),
  fanOut: fanOutSettings(count),
  /** Limits of Kinesis that can be others. */
  limits: z.strictObject({
    shardCountUpdatesPerDay: count(
      'UpdateShardCount of a stream in 24 hours',
      1,
      shardCountUpdatesHighest,
      shardCountUpdatesDefault,
    ),
    consumersPerStreamMax: count(
      'consumers of a stream',
      1,
      consumersPerStreamHighest,
      limits.consumersPerStreamMax,
    ),
  }),
})

export type Config = z.infer<typeof configSchema>
export type StorageConfig = Config['storage']

export type SettingKind = 'text' | 'number' | 'switch' | 'list'

/** One setting, as the places where it can be set know it. */
export interface Setting {
  /** Its key in the file: `listen`, `storage.spareSegments`. */
  readonly path: string
  readonly flag: string
  readonly variable: string
  readonly kind: SettingKind
  readonly fallback: unknown
  readonly text: SettingText
  readonly schema: z.ZodType
}

const kinds: Readonly<Record<string, SettingKind>> = {
  boolean: 'switch',
  number: 'number',
  array: 'list',
}

function words(path: string): string[] {
  return path
    .split('.')
    .flatMap((part) => part.split(/(?=[A-Z])/))
    .map((word) => word.toLowerCase())
}

function settingsOf(shape: Readonly<Record<string, z.ZodType>>, before = ''): Setting[] {
  return Object.entries(shape).flatMap(([key, schema]) => {
    const path = before + key
    if (schema instanceof z.ZodObject) return settingsOf(schema.shape, `${path}.`)
    const text = texts.get(schema)
    if (text === undefined || !(schema instanceof z.ZodDefault)) {
      throw new TypeError(`the setting ${path} has no text or no default`)
    }
    return {
      path,
      flag: `--${words(path).join('-')}`,
      variable: `MILLRACE_${words(path).join('_').toUpperCase()}`,
      kind: kinds[(schema.def.innerType as z.ZodType).def.type] ?? 'text',
      fallback: schema.def.defaultValue,
      text,
      schema,
    }
  })
}

/** Every setting, in the order in which it is shown. */
export const settings: readonly Setting[] = settingsOf(configSchema.shape)

/** The setting with this key. Throws where there is none: a bug of the caller. */
export function settingAt(path: string): Setting {
  const found = settings.find((it) => it.path === path)
  if (found === undefined) throw new TypeError(`there is no setting ${path}`)
  return found
}
