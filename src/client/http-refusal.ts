/** What an HTTP answer says that came where a WebSocket was asked for: one line, for people. */

import type { IncomingMessage } from 'node:http'

const textBytesMax = 1024
const textCharactersMax = 256
/** Whoever answers has its body at hand; a proxy that has not is not waited for. */
const textMillisMax = 1000

/**
 * `HTTP 401: the token is not valid here`, with the time to wait where it is said. Never rejects.
 */
export async function httpRefusal(response: IncomingMessage): Promise<string> {
  const { statusCode, headers } = response
  const seconds = Number(headers['retry-after'])
  const pause = Number.isInteger(seconds) ? ` retryAfterMs=${seconds * 1000}` : ''
  const isText = headers['content-type']?.startsWith('text/plain') === true
  const text = isText ? oneLine(await bodyOf(response)) : ''
  const head = `HTTP ${statusCode}${pause}`
  return text === '' ? `HTTP ${statusCode} instead of a WebSocket${pause}` : `${head}: ${text}`
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  const timer = setTimeout(() => response.destroy(), textMillisMax)
  try {
    let bytes = 0
    for await (const part of response) {
      parts.push(part as Buffer)
      bytes += (part as Buffer).length
      if (bytes >= textBytesMax) break
    }
  } catch {
    // Cut off: what came says as much as there is.
  } finally {
    clearTimeout(timer)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** Nothing of it acts on a terminal, and it is no page. */
function oneLine(text: string): string {
  return text
    .replaceAll(/[\p{C}\s]+/gu, ' ')
    .trim()
    .slice(0, textCharactersMax)
}
