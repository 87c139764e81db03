/** What processor time a broker has taken, as its metrics tell. */

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
): Promise<number | undefined> {
  const metrics = new URL('/metrics', url)
  metrics.protocol = metrics.protocol === 'wss:' ? 'https:' : 'http:'
  try {
    const headers = token === undefined ? {} : { authorization: `Bearer ${await textOf(token)}` }
    const signal = AbortSignal.timeout(timeoutMillis)
    const answer = await fetch(metrics, { headers, signal })
    return answer.ok ? cpuSecondsIn(await answer.text()) : undefined
  } catch {
    // A figure that is missing says so; the run itself needs no metrics.
    return undefined
  }
}

async function textOf(token: TokenSource): Promise<string> {
  return typeof token === 'string' ? token : await token()
}
