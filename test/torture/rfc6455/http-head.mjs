// The head of a request or an answer over HTTP, and what RFC 6455 makes of its key. Pure.
import { createHash } from 'node:crypto'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

export const HEAD_END = '\r\n\r\n'

// The value of Sec-WebSocket-Accept for a key.
export function acceptOf(key) {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64')
}

// The first line, and the headers by their names in small letters; of equal ones all, with commas.
export function parseHead(head) {
  const [line, ...rest] = head.split('\r\n')
  const headers = Object.create(null)
  for (const it of rest) {
    const colon = it.indexOf(':')
    if (colon < 0) continue
    const name = it.slice(0, colon).trim().toLowerCase()
    const value = it.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return { line, headers }
}
