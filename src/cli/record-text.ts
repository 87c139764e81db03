/** Records as they are printed. */

import type { Gap } from '../client/shard-cursor.ts'
import type { Output } from './output.ts'

/** What is printed of a record. */
export interface PrintedRecord {
  readonly shardId: string
  readonly sequenceNumber: bigint
  /** Undefined where it has none. */
  readonly partitionKey: string | undefined
  readonly arrivalMillis: number
  readonly data: Uint8Array
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text that the bytes are, or undefined where they are no UTF-8. */
function textOf(data: Uint8Array): string | undefined {
  try {
    return utf8.decode(data)
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

function base64(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')
}

/** Controls, and what turns the direction of text around: a record must not act on a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const acting = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** A text in one line, without characters that a terminal would obey. */
export function visibleText(text: string): string {
  return text.replace(acting, (it) => {
    if (it === '\n') return '\\n'
    if (it === '\r') return '\\r'
    return `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** One value for programs: `data` where it is UTF-8, else `dataBase64`. */
function recordRow(stream: string, record: PrintedRecord): Record<string, unknown> {
  const text = textOf(record.data)
  return {
    stream,
    shardId: record.shardId,
    sequenceNumber: record.sequenceNumber,
    ...(record.partitionKey === undefined ? {} : { partitionKey: record.partitionKey }),
    arrival: new Date(record.arrivalMillis).toISOString(),
    ...(text === undefined ? { dataBase64: base64(record.data) } : { data: text }),
  }
}

/** One line for people: when, where, the key, the data. */
function recordLine(output: Output, record: PrintedRecord): string {
  const { shardId, sequenceNumber, partitionKey, arrivalMillis, data } = record
  const place = `${new Date(arrivalMillis).toISOString()}  ${shardId}@${sequenceNumber}`
  const text = textOf(data)
  const shown = text === undefined ? `base64:${base64(data)}` : visibleText(text)
  const key =
    partitionKey === undefined
      ? output.style('dim', '(no key)')
      : output.style('cyan', visibleText(partitionKey))
  return `${output.style('dim', place)}  ${key}  ${shown}`
}

/** Prints a record: as a row with `--json`, its data alone with `--raw`, else as a line. */
export function printRecord(
  output: Output,
  stream: string,
  record: PrintedRecord,
  { raw }: { readonly raw: boolean },
): void {
  if (output.json) output.row(recordRow(stream, record))
  else if (raw) output.bytes(record.data)
  else output.line(recordLine(output, record))
}

/** Warns of records that are gone: trimmed, or damaged on disk. */
export function tellGap(output: Output, { shardId, lostFrom, firstAvailable }: Gap): void {
  const until = firstAvailable === undefined ? 'its end' : `before ${firstAvailable}`
  output.warn(`records ${lostFrom} to ${until} of ${shardId} cannot be read any more`)
}
