/**
 * The envelope of frames: `[opcode, requestId, ...fields]` from a client,
 * `[opcode, requestId, nil, ...fields]` for what worked and
 * `[opcode, requestId, code, message, retryable, retryAfterMs, range]` for what did not.
 */

import {
  type ErrorCode,
  type ErrorRange,
  errorTable,
  InvalidTypeError,
  MillraceError,
} from '../errors.ts'
import { answerElementsMax, messageStringBytesMax } from '../limits.ts'
import { packMessage, unpackMessage } from './codec.ts'
import { packFields, parseFields } from './fields.ts'
import {
  type AnswerOf,
  type Operation,
  operationsByOpcode,
  putBatch,
  putRecord,
  putRecords,
  type RequestOf,
  type Welcome,
  welcome,
} from './operations.ts'

const requestIdMax = 2 ** 32 - 1

/**
 * Checks a request as the broker would. Throws a TypeError that names a field of a wrong type, and
 * a MillraceError, INVALID_ARGUMENT, for one out of its bounds.
 */
export function checkRequest<Op extends Operation>(
  operation: Op,
  request: RequestOf<Op>,
): RequestOf<Op> {
  return parsePacked(operation, packFields(operation.request as Op['request'], request))
}

function parsePacked<Op extends Operation>(
  operation: Op,
  values: readonly unknown[],
): RequestOf<Op> {
  try {
    return parseFields(operation.request as Op['request'], values, requestPlace(0))
  } catch (error) {
    const isWrongType = error instanceof MillraceError && error.code === 'PROTOCOL_VIOLATION'
    throw isWrongType ? new InvalidTypeError(`${operation.name}: ${error.message}`) : error
  }
}

/** Throws as `checkRequest`. */
export function encodeRequest<Op extends Operation>(
  operation: Op,
  requestId: number,
  request: RequestOf<Op>,
): Uint8Array {
  const fields = packFields(operation.request as Op['request'], request)
  parsePacked(operation, fields)
  return packMessage([operation.opcode, requestId, ...fields])
}

export function encodeAnswer<Op extends Operation>(
  operation: Op,
  requestId: number,
  answer: AnswerOf<Op>,
): Uint8Array {
  return packMessage([operation.opcode, requestId, null, ...packFields(operation.answer, answer)])
}

export function encodeError(opcode: number, requestId: number, error: MillraceError): Uint8Array {
  const { code, message, retryable, retryAfterMs, range } = error
  return packMessage([
    opcode,
    requestId,
    code,
    asMessageText(message),
    retryable,
    // A fraction would be packed as a float, which no message has.
    retryAfterMs === undefined ? null : Math.ceil(retryAfterMs),
    ...(range === undefined ? [] : [[range.start, range.end]]),
  ])
}

const textEncoder = new TextEncoder()
const textDecoder = new TextDecoder()

/** As much as a string of a message may have, in valid UTF-8: messages quote what clients sent. */
function asMessageText(text: string): string {
  const bytes = new Uint8Array(messageStringBytesMax)
  const { written } = textEncoder.encodeInto(text, bytes)
  return textDecoder.decode(bytes.subarray(0, written))
}

export function encodeWelcome(fields: Welcome): Uint8Array {
  return packMessage([welcome.opcode, ...packFields(welcome.fields, fields)])
}

/** A request whose envelope could be read; its fields are checked by `parseRequest`. */
export interface RequestFrame {
  readonly operation: Operation
  readonly requestId: number
  readonly values: readonly unknown[]
}

/**
 * Reads a control request (not a put, see put-frame.ts). Throws a MillraceError,
 * PROTOCOL_VIOLATION, for what is no request at all: the connection is to be closed.
 */
export function decodeRequest(frame: Uint8Array): RequestFrame {
  const values = unpackMessage(frame)
  const [opcode, requestId] = values
  const operation = operationsByOpcode.get(opcode as number)
  if (operation === undefined || putOperations.has(operation)) {
    throw new MillraceError('PROTOCOL_VIOLATION', `opcode ${String(opcode)} is unknown`)
  }
  return { operation, requestId: checkRequestId(requestId), values }
}

const putOperations: ReadonlySet<Operation> = new Set<unknown>([
  putRecord,
  putRecords,
  putBatch,
]) as ReadonlySet<Operation>

function requestPlace(start: number) {
  return { start, path: '', extras: 'refused' } as const
}

/** The fields of a request. Throws a MillraceError, which is to be answered. */
export function parseRequest<Op extends Operation>(
  operation: Op,
  frame: RequestFrame,
): RequestOf<Op> {
  return parseFields(operation.request as Op['request'], frame.values, requestPlace(2))
}

/**
 * What the broker sent: an answer, an error that answers a request, or something that is sent
 * unasked. Of the latter a newer broker may have kinds that are unknown here.
 */
export type BrokerFrame =
  | {
      readonly kind: 'answer'
      readonly opcode: number
      readonly requestId: number
      readonly values: readonly unknown[]
    }
  | {
      readonly kind: 'error'
      readonly opcode: number
      readonly requestId: number
      readonly error: MillraceError
    }
  | { readonly kind: 'welcome'; readonly welcome: Welcome }
  | { readonly kind: 'unknown'; readonly opcode: number }

/**
 * Reads a control message of the broker. What belongs to subscriptions is unknown here: pushes.ts
 * has it. Throws a MillraceError, PROTOCOL_VIOLATION.
 */
export function decodeBrokerFrame(frame: Uint8Array): BrokerFrame {
  const values = unpackMessage(frame, { elementsMax: answerElementsMax })
  const [opcode, requestId, status] = values
  if (opcode === welcome.opcode) {
    const fields = parseFields(welcome.fields, values, { start: 1, path: '', extras: 'ignored' })
    return { kind: 'welcome', welcome: fields }
  }
  if (!operationsByOpcode.has(opcode as number)) return { kind: 'unknown', opcode: Number(opcode) }
  const id = checkRequestId(requestId)
  if (status === null) return { kind: 'answer', opcode: opcode as number, requestId: id, values }
  return { kind: 'error', opcode: opcode as number, requestId: id, error: parseError(values) }
}

/** The fields of an answer. Throws a MillraceError, PROTOCOL_VIOLATION. */
export function parseAnswer<Op extends Operation>(
  operation: Op,
  values: readonly unknown[],
): AnswerOf<Op> {
  const place = { start: 3, path: '', extras: 'ignored' } as const
  try {
    return parseFields(operation.answer as Op['answer'], values, place)
  } catch (error) {
    throw badAnswer(operation as unknown as Operation, error)
  }
}

/** A bound that is passed is no argument of the caller's here. */
function badAnswer(operation: Operation, cause: unknown): MillraceError {
  const text = cause instanceof Error ? cause.message : String(cause)
  return new MillraceError('PROTOCOL_VIOLATION', `answer of ${operation.name}: ${text}`, { cause })
}

function parseError(values: readonly unknown[]): MillraceError {
  const [, , code, message, , retryAfterMs, range] = values
  const known = typeof code === 'string' && Object.hasOwn(errorTable, code)
  const text = typeof message === 'string' ? message : undefined
  if (!known) {
    return new MillraceError('INTERNAL', `the broker answered ${String(code)}: ${text ?? ''}`)
  }
  return new MillraceError(code as ErrorCode, text, {
    retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : undefined,
    range: parseRange(range),
  })
}

function parseRange(value: unknown): ErrorRange | undefined {
  if (!Array.isArray(value)) return undefined
  const [start, end] = value.map((it) => (Number.isSafeInteger(it) ? BigInt(it) : it))
  return typeof start === 'bigint' && typeof end === 'bigint' ? { start, end } : undefined
}

function checkRequestId(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= requestIdMax) {
    return value
  }
  throw new MillraceError('PROTOCOL_VIOLATION', `request id: wanted 0 to ${requestIdMax}`)
}
