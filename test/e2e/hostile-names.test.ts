/** Names that are paths elsewhere lead to no file: of all that a broker opens, none has one. */

import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { expect, it, vi } from 'vitest'
import { packMessage } from '../../src/wire/codec.ts'
import { temporaryDirectory } from './cli-process.ts'
import { RawClient } from './raw-client.ts'
import { serveTraced } from './traced-broker.ts'

// All calls are traced, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 })

/** Legal ones, of letters, digits, _ . and -. */
const legal = ['.', '..', '.'.repeat(128), 'CON', 'LPT1.txt', '.git', 'manifest-a', 'LOCK']
const illegal = [
  ...['%2e%2e', '..%2foutside', '../outside/kept', '/etc/passwd', '..\\outside', 'a/../../b'],
  ...['kept\0.txt', '.'.repeat(129), '', '․․', 'C:'],
]
/** A slash and a dot that take two bytes each: no valid UTF-8. */
const overlong = Uint8Array.of(0xc0, 0xae, 0xc0, 0xae, 0xc0, 0xaf)

/** Calls that make, change or remove something; a broker makes none of them without the tracer. */
const changing = [
  ...['mkdir', 'mkdirat', 'rename', 'renameat', 'renameat2', 'unlink', 'unlinkat', 'rmdir'],
  ...['link', 'linkat', 'symlink', 'symlinkat', 'mknod', 'mknodat', 'truncate', 'creat'],
]
const opening = ['open', 'openat', 'openat2']

interface Call {
  readonly name: string
  readonly line: string
  /** The paths that it was given, and the one of what it has opened. */
  readonly paths: readonly string[]
}

/** Reads a line of the trace, where a path stands behind the folder that it is relative to. */
function callOf(line: string): Call {
  const name = /^\d+ +(\w+)/.exec(line)?.[1] ?? ''
  const given = Array.from(
    line.matchAll(/(?:<([^<>]*)>, )?"((?:[^"\\]|\\.)*)"/g),
    ([, folder = '/', path = '']) => resolve(folder, path),
  )
  const opened = / = \d+<([^<>]*)>$/.exec(line)?.[1]
  return { name, line, paths: opened === undefined ? given : [...given, opened] }
}

const changes = ({ name, line }: Call) =>
  changing.includes(name) || (opening.includes(name) && /O_WRONLY|O_RDWR|O_CREAT/.test(line))

/** A request with a name that no string of JavaScript has. */
function overlongRequest(): Uint8Array {
  const place = 'x'.repeat(overlong.length)
  const bytes = packMessage([0x10, 7, place, 1])
  bytes.set(overlong, Buffer.from(bytes).indexOf(place))
  return bytes
}

/** Creates a stream, puts, reads, has a consumer, and deletes the stream. */
async function useStream(client: RawClient, name: string): Promise<void> {
  await client.createStream(name, 1)
  const record = ['../key', Uint8Array.of(1)]
  const asked = [
    await client.ask([0x20, 1, name, null, [record], null, 0, 0]),
    await client.ask([0x16, 1, name, [['../tag', '../value']]]),
    await client.ask([0x30, 1, name, name]),
    await client.ask([0x22, 1, name, '0', 'TRIM_HORIZON']),
    await client.ask([0x11, 1, name, true]),
  ]
  expect([name, ...asked.map((it) => it[2])]).toEqual([name, null, null, null, null, null])
}

async function useAll(client: RawClient): Promise<void> {
  for (const name of legal) await useStream(client, name)
  for (const name of illegal) {
    const [, , status] = await client.ask([0x10, 1, name, 1])
    expect([name, status]).toEqual([name, 'INVALID_ARGUMENT'])
    const record = ['k', Uint8Array.of(1)]
    const refused = await client.ask([0x20, 1, name, null, [record], null, 0, 0])
    expect([name, refused[2]]).not.toEqual([name, null])
    expect((await client.ask([0x22, 1, 'orders', name, 'TRIM_HORIZON']))[2]).not.toBe(null)
  }
}

/**
 * Has the next files of a log, which are numbered, lead elsewhere, to what is there and to what is
 * not. Answers the names.
 */
async function plant(log: string, outside: string): Promise<string[]> {
  // One for the catalog, and two that are made ahead.
  await expect.poll(() => readdirSync(log).length, { timeout: 20_000 }).toBe(3)
  const last = Number.parseInt(readdirSync(log).toSorted().at(-1) ?? '', 16)
  return ['made', 'kept', 'made', 'kept'].map((target, at) => {
    const name = `${(last + 1 + at).toString(16).padStart(16, '0')}.seg`
    symlinkSync(join(outside, target), join(log, name))
    return name
  })
}

it('that are paths touch nothing outside of the data directory', async (test) => {
  const home = temporaryDirectory()
  const data = join(home, 'data')
  const outside = join(home, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'kept'), 'as it was')
  const served = await serveTraced(
    [...changing, ...opening].map((it) => `?${it}`),
    ['--data', data, '--create', 'orders:1'],
  )
  if (typeof served === 'string') {
    console.log(`skipped: what names lead to, as strace cannot trace here: ${served}`)
    return test.skip()
  }
  const client = await RawClient.open(served.url)
  const planted = await plant(join(data, 'log'), outside)
  await useAll(client)
  client.socket.send(overlongRequest())
  expect((await client.closed).code).toBe(4500)
  const calls = (await served.stop()).map(callOf)
  const met = calls.filter((it) => it.line.includes('EEXIST') && it.name === 'openat')
  expect(met.map((it) => basename(it.paths[0] ?? ''))).toEqual(planted)

  expect(readdirSync(outside)).toEqual(['kept'])
  expect(readFileSync(join(outside, 'kept'), 'utf8')).toBe('as it was')
  const changed = calls.filter(changes)
  expect(changed.length).toBeGreaterThan(20)
  const isWithin = (path: string) => path === data || path.startsWith(data + sep)
  const astray = changed.filter((it) => !it.paths.every(isWithin))
  // Folders on the way to the data directory are made where there are none.
  expect(astray.filter((it) => it.name !== 'mkdir' || it.paths[0] !== dirname(data))).toEqual([])
  const hostile = new Set([...legal.slice(0, -2), ...illegal])
  const named = calls.filter((it) => it.paths.some((path) => hostile.has(basename(path))))
  expect(named).toEqual([])
  expect(calls.filter((it) => it.paths.some((path) => path.startsWith(outside)))).toEqual([])
})
