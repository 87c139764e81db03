// Reading the trace that trace_disk.c writes.
import { readFileSync } from 'node:fs'

const WRITE = 'W'.charCodeAt(0)
const FLUSH = 'F'.charCodeAt(0)
const WRITE_HEAD_BYTES = 13

// { bytes, requests }: each request is { flush, offset, length, from, end }. Its data are
// bytes[from .. from + length), and `end` is where the trace ended when it had been recorded, the
// time of the rig's clock.
export function parseTrace(bytes) {
  const requests = []
  let at = 0
  while (at < bytes.length) {
    if (bytes[at] === FLUSH) {
      at += 1
      requests.push({ flush: true, offset: 0, length: 0, from: at, end: at })
      continue
    }
    if (bytes[at] !== WRITE || at + WRITE_HEAD_BYTES > bytes.length) {
      throw new Error(`the trace is damaged at byte ${at}`)
    }
    const offset = Number(bytes.readBigUInt64LE(at + 1))
    const length = bytes.readUInt32LE(at + 9)
    const from = at + WRITE_HEAD_BYTES
    at = from + length
    if (at > bytes.length) throw new Error(`the trace ends within the request at byte ${from}`)
    requests.push({ flush: false, offset, length, from, end: at })
  }
  return { bytes, requests }
}

export function readTrace(path) {
  return parseTrace(readFileSync(path))
}
