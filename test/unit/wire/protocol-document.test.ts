/** PROTOCOL.md says what the source does: its tables, its rules, its examples. */

import { readdirSync, readFileSync } from 'node:fs'
import { decode } from '@msgpack/msgpack'
import { describe, expect, it } from 'vitest'
import { errorTable } from '../../../src/errors.ts'
import * as limits from '../../../src/limits.ts'
import { batchLayout } from '../../../src/wire/batch-layout.ts'
import { closeCodes, reconnects } from '../../../src/wire/close-codes.ts'
import { packMessage } from '../../../src/wire/codec.ts'
import type { Fields } from '../../../src/wire/fields.ts'
import {
  decodeBrokerFrame,
  decodeRequest,
  encodeAnswer,
  encodeError,
  encodeRequest,
  encodeWelcome,
  parseAnswer,
  parseRequest,
} from '../../../src/wire/frame.ts'
import {
  type Operation,
  operationsByOpcode,
  putBatch,
  putRecord,
  putRecords,
  welcome,
} from '../../../src/wire/operations.ts'
import {
  credit,
  decodeCredit,
  decodePush,
  encodeCredit,
  encodePush,
  isCreditFrame,
  isSliceFrame,
  type Push,
  pushesByOpcode,
  shardNumberOfSlice,
} from '../../../src/wire/pushes.ts'
import { putResults } from '../../../src/wire/put-answer.ts'
import { encodePutBatch, encodePutRecord, encodePutRecords } from '../../../src/wire/put-builder.ts'
import { readPutBatchBody, readPutHead } from '../../../src/wire/put-frame.ts'
import { RecordWindow } from '../../../src/wire/record-window.ts'
import { SliceCursor } from '../../../src/wire/slice-cursor.ts'
import * as structures from '../../../src/wire/structures.ts'
import { parsePutRequest } from '../../support/put-request.ts'

const wire = new URL('../../../src/wire/', import.meta.url)
const document = readFileSync(new URL('PROTOCOL.md', wire), 'utf8')

interface Table {
  /** The heading above it. */
  readonly heading: string
  /** Its first column's name. */
  readonly kind: string
  readonly rows: readonly (readonly string[])[]
}

function cells(line: string): string[] {
  return line
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((it) => it.trim().replace(/^`(.*)`$/, '$1'))
}

function readTables(): Table[] {
  const tables: Table[] = []
  let heading = ''
  let rows: string[][] | undefined
  for (const line of document.split('\n')) {
    if (line.startsWith('#')) heading = line.replace(/^#+ /, '')
    if (!line.startsWith('|')) {
      rows = undefined
    } else if (rows === undefined) {
      rows = []
      tables.push({ heading, kind: cells(line)[0] ?? '', rows })
    } else if (!line.startsWith('|---')) {
      rows.push(cells(line))
    }
  }
  return tables
}

const tables = readTables()
const operations = [...operationsByOpcode.values()]
const pushes = [...pushesByOpcode.values()]
/** Of every frame that is not a slice. */
const messages = [welcome, ...operations, ...pushes, credit]
const title = (it: { opcode: number; name: string }) =>
  `0x${it.opcode.toString(16).padStart(2, '0')} ${it.name}`

/** The rows of the one table under a heading that begins with this column, without the meaning. */
function rowsOf(heading: string, kind: string, columns = 3): string[][] | undefined {
  const found = tables.filter((it) => it.heading === heading && it.kind === kind)
  expect(found.length, `tables of ${heading}`).toBeLessThanOrEqual(1)
  return found[0]?.rows.map((row) => row.slice(0, columns))
}

function fieldRows(fields: Fields): string[][] {
  return Object.entries(fields).map(([name, field]) => [name, field.form, field.bounds])
}

const readable = (number: number) => String(number).replace(/\B(?=(\d{3})+$)/g, ',')

describe('the tables of PROTOCOL.md', () => {
  it('have all operations and all other messages, and nothing else', () => {
    const headings = tables.map((it) => it.heading).filter((it) => it.startsWith('0x'))
    expect(new Set(headings)).toEqual(new Set(messages.map(title)))
    const all = document.match(/^### 0x.*$/gm)?.map((it) => it.slice('### '.length))
    expect(all?.toSorted()).toEqual(messages.map(title).toSorted())
  })

  it('have the fields of every operation in their order, with types and bounds', () => {
    for (const operation of operations) {
      const { name, request, answer } = operation
      const asked = rowsOf(title(operation), 'request') ?? []
      expect(asked, `request of ${name}`).toEqual(fieldRows(request))
      const rows = fieldRows(answer)
      expect(rowsOf(title(operation), 'answer') ?? [], `answer of ${name}`).toEqual(rows)
    }
  })

  it('have the fields of what has no answer', () => {
    expect(rowsOf(title(welcome), 'field')).toEqual(fieldRows(welcome.fields))
    for (const push of pushes) {
      expect(rowsOf(title(push), 'push'), push.name).toEqual(fieldRows(push.fields))
    }
    expect(rowsOf(title(credit), 'field')).toEqual(fieldRows(credit.fields))
  })

  it('have the fields of every structure', () => {
    const names = new Set<string>()
    for (const structure of Object.values(structures)) {
      if (typeof structure !== 'object' || !('fields' in structure)) continue
      names.add(structure.form)
      expect(rowsOf(structure.form, 'element'), structure.form).toEqual(fieldRows(structure.fields))
    }
    expect(names.size).toBeGreaterThan(5)
    const structureTables = tables.filter((it) => it.kind === 'element' && it.heading !== 'Errors')
    expect(new Set(structureTables.map((it) => it.heading))).toEqual(names)
  })

  it('have all codes of errors and no others', () => {
    const rows = Object.entries(errorTable).map(([code, it]) => [
      code,
      it.retryable ? 'yes' : 'no',
      it.kind ?? '–',
      it.message,
      it.hint,
    ])
    expect(rowsOf('Errors', 'code', 5)).toEqual(rows)
  })

  it('have all codes of closes and no others', () => {
    const rows = Object.values(closeCodes).map((it) => [
      String(it.code),
      it.name,
      reconnects(it.code) ? 'yes' : 'no',
      it.meaning,
    ])
    expect(rowsOf('The end of a connection', 'code', 4)).toEqual(rows)
  })

  it('have the limits as they are, and all that the wire knows', () => {
    const rows = rowsOf('Limits', 'limit', 2) ?? []
    const values = new Map(Object.entries(limits).map(([name, it]) => [name, readable(it)]))
    for (const [name = '', value] of rows) expect([name, value]).toEqual([name, values.get(name)])
    const used = readdirSync(wire)
      .filter((it) => it.endsWith('.ts'))
      .flatMap((it) => importedLimits(readFileSync(new URL(it, wire), 'utf8')))
    expect(used.length).toBeGreaterThan(10)
    expect(rows.map(([name]) => name)).toEqual(expect.arrayContaining(used))
  })

  it('have the header of a batch', () => {
    const places = new Map(
      (rowsOf('Reading', 'at') ?? []).map(([at, , name]) => [name, Number(at)]),
    )
    const at = batchLayout
    expect(Object.fromEntries(places)).toEqual({
      marker: 0,
      crc32c: at.crcAt,
      shard: at.shardAt,
      'first sequence': at.firstSequenceAt,
      count: at.countAt,
      arrival: at.arrivalAt,
      epoch: at.epochAt,
      'producer id': at.producerIdAt,
      'producer sequence': at.producerSequenceAt,
      'synced upto': at.syncedUptoAt,
      flags: at.flagsAt,
      'records length': at.recordsLengthAt,
      records: at.headerBytes,
    })
  })

  it('number the rules without a gap, and refer to none that is missing', () => {
    const rules = Array.from(document.matchAll(/^\*\*R(\d+)\.\*\*/gm), (it) => Number(it[1]))
    expect(rules).toEqual(rules.map((_, index) => index + 1))
    for (const [, rule] of document.matchAll(/\bR(\d+)\b/g)) expect(rules).toContain(Number(rule))
  })
})

function importedLimits(source: string): string[] {
  const names = /import \{([^}]*)\} from '\.\.\/limits\.ts'/.exec(source)?.[1] ?? ''
  return names.split(',').flatMap((it) => (it.trim() === '' ? [] : [it.trim()]))
}

interface Example {
  readonly kind: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

const examples: readonly Example[] = Array.from(
  document.matchAll(/^```hex ?(.*)\n([^`]*)```$/gm),
  ([, kind = '', text = '']) => {
    const digits = text.replace(/;.*$/gm, '').replace(/\s/g, '')
    expect(digits).toMatch(/^([0-9a-f]{2})+$/)
    return { kind, bytes: new Uint8Array(Buffer.from(digits, 'hex')) }
  },
)

const ofKind = (kind: string) => examples.filter((it) => it.kind === kind).map((it) => it.bytes)

const puttingOperations = [putRecord, putRecords, putBatch]

function operationOf(opcode: number): Operation {
  const operation = operationsByOpcode.get(opcode)
  if (operation === undefined) throw new Error(`no operation has the opcode ${opcode}`)
  return operation
}

/** A put as our encoders write it, from what a decoder of the whole frame sees. */
function encodePutAgain(frame: Uint8Array): Uint8Array {
  const { opcode, requestId, streamName, durability, bodyAt, refusal } = readPutHead(frame)
  expect(refusal).toBe(undefined)
  const target = { streamName, durability }
  if (opcode === putBatch.opcode) {
    const body = readPutBatchBody(frame, bodyAt)
    return encodePutBatch(requestId, target, body, body)
  }
  const put = parsePutRequest(frame)
  const records = put.records.map((it, i) => ({
    key: it.partitionKey,
    data: it.data,
    explicitHashKey: put.explicitHashKeys?.[i],
  }))
  const [first] = records
  return opcode === putRecord.opcode && first !== undefined
    ? encodePutRecord(requestId, target, first, put)
    : encodePutRecords(requestId, target, records, put)
}

describe('the examples of PROTOCOL.md', () => {
  it('are all of a kind that is decoded here, and each kind of frame has one', () => {
    const kinds = new Set(examples.map((it) => it.kind))
    expect(kinds).toEqual(
      new Set(['welcome', 'request', 'answer', 'error', 'put', 'slice', 'push', 'credit']),
    )
    const puts = ofKind('put').map((it) => it[1])
    expect(puts).toEqual(puttingOperations.map((it) => it.opcode))
    expect(ofKind('push').map((it) => it[1])).toEqual(pushes.map((it) => it.opcode))
  })

  it('decode and encode back, byte by byte: requests', () => {
    for (const bytes of ofKind('request')) {
      const frame = decodeRequest(bytes)
      const request = parseRequest(frame.operation, frame)
      expect(encodeRequest(frame.operation, frame.requestId, request)).toEqual(bytes)
    }
  })

  it('decode and encode back, byte by byte: puts', () => {
    for (const bytes of ofKind('put')) expect(encodePutAgain(bytes)).toEqual(bytes)
  })

  it('decode and encode back, byte by byte: answers', () => {
    for (const bytes of ofKind('answer')) {
      const frame = decodeBrokerFrame(bytes)
      if (frame.kind !== 'answer') throw new Error(`it is ${frame.kind}`)
      const operation = operationOf(frame.opcode)
      const answer = parseAnswer(operation, frame.values)
      const again = encodeAnswer(operation, frame.requestId, answer)
      // The answers of puts have numbers of fixed width.
      const isPut = puttingOperations.some((it) => it.opcode === frame.opcode)
      if (!isPut) expect(again).toEqual(bytes)
      expect(decode(again, { useBigInt64: true })).toEqual(decode(bytes, { useBigInt64: true }))
    }
  })

  it('decode and encode back, byte by byte: errors and the welcome', () => {
    for (const bytes of ofKind('error')) {
      const frame = decodeBrokerFrame(bytes)
      if (frame.kind !== 'error') throw new Error(`it is ${frame.kind}`)
      const again = encodeError(frame.opcode, frame.requestId, frame.error)
      expect(again).toEqual(bytes)
    }
    for (const bytes of ofKind('welcome')) {
      const frame = decodeBrokerFrame(bytes)
      if (frame.kind !== 'welcome') throw new Error(`it is ${frame.kind}`)
      expect(encodeWelcome(frame.welcome)).toEqual(bytes)
      expect(frame.welcome.frameBytesMax).toBe(limits.frameBytesMax)
      expect(frame.welcome.requestsInFlightMax).toBe(limits.requestsInFlightMax)
    }
  })

  it('decode and encode back, byte by byte: pushes and credit', () => {
    for (const bytes of ofKind('push')) {
      const push = pushesByOpcode.get(bytes[1] as number) as Push
      expect(encodePush(push, decodePush(push, bytes))).toEqual(bytes)
    }
    for (const bytes of ofKind('credit')) {
      expect(isCreditFrame(bytes)).toBe(true)
      const { subscriptionId, bytes: returned } = decodeCredit(bytes)
      expect(encodeCredit(subscriptionId, returned)).toEqual(bytes)
    }
  })

  it('tell slices from everything else by the two bytes of R36', () => {
    for (const { kind, bytes } of examples) expect(isSliceFrame(bytes)).toBe(kind === 'slice')
    expect(document).toContain('begins with the bytes `9b ce` is a slice')
  })

  it('say the same to another MessagePack library', () => {
    for (const { kind, bytes } of examples) {
      if (kind === 'slice') continue
      const values = decode(bytes, { useBigInt64: true }) as unknown[]
      expect(decode(packMessage(values), { useBigInt64: true }), kind).toEqual(values)
    }
  })

  it('say what the text around them says', () => {
    const answers = new Map(
      ofKind('answer').map((it) => [it[1] as number, decodeBrokerFrame(it)] as const),
    )
    const many = answers.get(putRecords.opcode)
    if (many?.kind !== 'answer') throw new Error('no answer')
    expect(putResults(parseAnswer(putRecords, many.values))).toEqual([
      { shardId: 'shardId-000000000001', sequenceNumber: 44n },
      {
        shardId: 'shardId-000000000000',
        errorCode: 'THROUGHPUT_EXCEEDED',
        retryAfterMs: 200,
      },
    ])
    const [slice] = ofKind('slice')
    if (slice === undefined) throw new Error('no slice')
    const read = (
      it: Iterable<{ partitionKey: string | undefined; sequenceNumber: bigint; data: Uint8Array }>,
    ) =>
      Array.from(it, (one) => [
        one.sequenceNumber,
        one.partitionKey,
        Buffer.from(one.data).toString(),
      ])
    expect(read(new SliceCursor(slice, { verify: true }))).toEqual([
      [42n, 'cat', 'hello'],
      [43n, 'ox', ''],
    ])
    expect(shardNumberOfSlice(slice)).toBe(7)
    const [returned] = ofKind('credit').map(decodeCredit)
    expect(returned?.bytes).toBe(slice.length)
    const window = { slice, firstSequenceNumber: 43n, recordCount: 1 }
    expect(read(new RecordWindow(window))).toEqual([[43n, 'ox', '']])
  })
})
