/** Whether the settings fit this machine: the data directory, its disk, the port, the broker. */

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  openSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs'
import { get as getPlain } from 'node:http'
import { get as getSecure } from 'node:https'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import type { TlsOptions } from '../../client/node.ts'
import { parseAddress } from '../config-schema.ts'
import { formatBytes, formatMillis } from '../units.ts'
import { type Check, failed, ok, warning } from './check.ts'

const freeShareMin = 0.05
const syncCount = 20
const syncMillisSlow = 20
const answerMillisMax = 2000

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}

/** The directory itself, or the nearest one above it that exists. */
function nearestExisting(dir: string): string {
  let at = resolve(dir)
  while (!existsSync(at)) at = dirname(at)
  return at
}

export function checkDirectory(dir: string): Check {
  const name = 'data directory'
  const at = nearestExisting(dir)
  try {
    if (!statSync(at).isDirectory()) {
      return failed(name, `${at} is no directory`, 'Name another one with --data.')
    }
    accessSync(at, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    return failed(
      name,
      `${at} cannot be written: ${reasonOf(error)}`,
      'Run as its owner, or name another one with --data.',
    )
  }
  return ok(name, existsSync(dir) ? dir : `${dir}, which serve will create`)
}

export function checkSpace(dir: string): Check {
  const name = 'disk space'
  const { bsize, bavail, blocks } = statfsSync(nearestExisting(dir))
  const detail = `${formatBytes(bavail * bsize)} free of ${formatBytes(blocks * bsize)}`
  if (blocks === 0 || bavail / blocks >= freeShareMin) return ok(name, detail)
  return warning(
    name,
    detail,
    'Free space: below 5 % a broker refuses puts, unless told otherwise.',
  )
}

/** How long a sync takes on the disk of the data directory: what a durable put waits for. */
export function checkSync(dir: string): Check {
  const name = 'disk sync'
  const file = join(nearestExisting(dir), `.millrace-doctor-${process.pid}`)
  try {
    const millis = syncTimes(file).sort((a, b) => a - b)
    const median = millis[Math.floor(millis.length / 2)] as number
    const most = formatMillis(millis.at(-1) as number)
    const detail = `${formatMillis(median)} median, ${most} at most`
    if (median < syncMillisSlow) return ok(name, detail)
    return warning(name, detail, 'Each put waits for a sync: put in batches, or on a faster disk.')
  } catch (error) {
    return failed(name, reasonOf(error), 'See the data directory above.')
  }
}

function syncTimes(file: string): number[] {
  const descriptor = openSync(file, 'w')
  try {
    return Array.from({ length: syncCount }, () => {
      const started = performance.now()
      writeSync(descriptor, Buffer.alloc(4096, 1))
      fdatasyncSync(descriptor)
      return performance.now() - started
    })
  } finally {
    closeSync(descriptor)
    rmSync(file)
  }
}

/** `isRequired`: somebody named the broker, so that it has to be there. */
export async function checkBroker(
  url: string,
  isRequired: boolean,
  tls: TlsOptions,
): Promise<Check> {
  const name = 'broker'
  const ready = new URL('/readyz', url.replace(/^ws/, 'http'))
  ready.username = ''
  ready.password = ''
  const remedy = 'Start it with millrace serve, or name another one with --url.'
  try {
    const status = await statusOf(ready, tls)
    if (status === 200) return ok(name, `ready at ${ready.host}`)
    return failed(name, `not ready at ${ready.host}: ${status}`, 'See its log.')
  } catch (error) {
    const reason = reasonOf(error)
    if (isRequired) return failed(name, `none at ${ready.host}: ${reason}`, remedy)
    return ok(name, `none at ${ready.host}`)
  }
}

/** Not `fetch`, which refuses ports that a broker may well have. */
function statusOf(url: URL, tls: TlsOptions): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const get = url.protocol === 'https:' ? getSecure : getPlain
    const options = { ...tls, signal: AbortSignal.timeout(answerMillisMax) }
    const request = get(url, options, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
    request.on('error', reject)
  })
}

export async function checkPort(listen: string, brokerAnswers: boolean): Promise<Check> {
  const name = 'port'
  const { host, port } = parseAddress(listen) as { host: string; port: number }
  const error = await listenError(host, port)
  if (error === undefined) return ok(name, `${listen} is free`)
  const code = reasonOf(error)
  if (code === 'EADDRINUSE' && brokerAnswers) return ok(name, `${listen} is the broker's`)
  return failed(name, `${listen}: ${code}`, 'Choose another one with --listen.')
}

function listenError(host: string, port: number): Promise<Error | undefined> {
  return new Promise((done) => {
    const server = createServer()
    server.once('error', done)
    server.listen({ host, port, exclusive: true }, () => server.close(() => done(undefined)))
  })
}
