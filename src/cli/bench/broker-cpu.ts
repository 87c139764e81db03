/** What processor time a broker has taken, as its metrics tell. */

import { get as getPlain } from 'node:http'
import { get as getSecure } from 'node:https'
import type { TlsOptions } from '../../client/node.ts'
import type { TokenSource } from '../../client/token-source.ts'

const timeoutMillis = 5000

/** Of its process, all threads together: CPU seconds since it started. */
export function cpuSecondsIn(metrics: string): number | undefined {
  const [, text] = /^process_cpu_seconds_total (\S+)/m.exec(metrics) ?? []
  const seconds = Number(text)
  return text === undefined || !Number.isFinite(seconds) ? undefined : seconds
}

/** Asks the broker at `url` (ws or wss); undefined where it does not tell. */
export async function brokerCpuSeconds(
  url: string,
  token: TokenSource | undefined,
  tls: TlsOptions = {},
): Promise<number | undefined> {
  const metrics = new URL('/metrics', url.replace(/^ws/, 'http'))
  try {
    const headers = token === undefined ? {} : { authorization: `Bearer ${await textOf(token)}` }
    const text = await textAt(metrics, { ...tls, headers })
    return text === undefined ? undefined : cpuSecondsIn(text)
  } catch {
    // A figure that is missing says so; the run itself needs no metrics.
    return undefined
  }
}

/** The body of an answer with 200; undefined for any other. `fetch` takes no certificates. */
function textAt(
  url: URL,
  options: TlsOptions & { readonly headers: Record<string, string> },
): Promise<string | undefined> {
  const get = url.protocol === 'https:' ? getSecure : getPlain
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMillis)
    const asked = get(url, { ...options, signal, agent: false }, (answer) => {
      answer.setEncoding('utf8')
      let text = ''
      answer.on('data', (chunk: string) => {
        text += chunk
      })
      answer.on('end', () => resolve(answer.statusCode === 200 ? text : undefined))
      answer.on('error', reject)
    })
    asked.on('error', reject)
  })
}

async function textOf(token: TokenSource): Promise<string> {
  return typeof token === 'string' ? token : await token()
}
