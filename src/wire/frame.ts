/**
 * The envelope of frames: `[opcode, requestId, ...fields]` from a client,
 * `[opcode, requestId, nil, ...fields]` for what worked and
 * `[opcode, requestId, code, message, retryable, retryAfterMs]` for what did not.
 */

import { type ErrorCode, errorTable, MillraceError } from '../errors.ts'
import { packMessage, unpackMessage } from './codec.ts'
import { packFields, parseFields } from './fields.ts'
import {
  type AnswerOf,
  type Operation,
  operationsByOpcode,
  type RequestOf,
  type Welcome,
  welcome,
} from './operations.ts'

const requestIdMax = 2 ** 32 - 1

/** Elements of an answer's containers: listings have pages of up to 10,000 rows. */
const answerElementsMax = 10_000

export function encodeRequest<Op extends Operation>(
  operation: Op,
  requestId: number,
  request: RequestOf<Op>,
): Uint8Array {
  return packMessage([operation.opcode, requestId, ...packFields(operation.request, request)])
}

export function encodeAnswer<Op extends Operation>(
  operation: Op,
  requestId: number,
  answer: AnswerOf<Op>,
): Uint8Array {
  return packMessage([operation.opcode, requestId, null, ...packFields(operation.answer, answer)])
}

export function encodeError(opcode: number, requestId: number, error: MillraceError): Uint8Array {
  const { code, message, retryable, retryAfterMs } = error
  return packMessage([opcode, requestId, code, message, retryable, retryAfterMs ?? null])
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
  if (operation === undefined) {
    throw new MillraceError('PROTOCOL_VIOLATION', `opcode ${String(opcode)} is unknown`)
  }
  return { operation, requestId: checkRequestId(requestId), values }
}

/** The fields of a request. Throws a MillraceError, which is to be answered. */
export function parseRequest<Op extends Operation>(
  operation: Op,
  frame: RequestFrame,
): RequestOf<Op> {
  return parseFields(operation.request as Op['request'], frame.values, 2)
}

/** What the broker sent: an answer, an error that answers a request, or a welcome. */
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

/** Reads a control message of the broker. Throws a MillraceError, PROTOCOL_VIOLATION. */
export function decodeBrokerFrame(frame: Uint8Array): BrokerFrame {
  const values = unpackMessage(frame, { elementsMax: answerElementsMax })
  const [opcode, requestId, status] = values
  if (opcode === welcome.opcode) {
    return { kind: 'welcome', welcome: parseFields(welcome.fields, values, 1) }
  }
  const id = checkRequestId(requestId)
  if (status === null) return { kind: 'answer', opcode: opcode as number, requestId: id, values }
  return { kind: 'error', opcode: opcode as number, requestId: id, error: parseError(values) }
}

/** The fields of an answer. Throws a MillraceError, PROTOCOL_VIOLATION. */
export function parseAnswer<Op extends Operation>(
  operation: Op,
  values: readonly unknown[],
): AnswerOf<Op> {
  return parseFields(operation.answer as Op['answer'], values, 3)
}

function parseError(values: readonly unknown[]): MillraceError {
  const [, , code, message, , retryAfterMs] = values
  const known = typeof code === 'string' && Object.hasOwn(errorTable, code)
  const text = typeof message === 'string' ? message : undefined
  if (!known) {
    return new MillraceError('INTERNAL', `the broker answered ${String(code)}: ${text ?? ''}`)
  }
  const wait = typeof retryAfterMs === 'number' ? retryAfterMs : undefined
  return new MillraceError(code as ErrorCode, text, { retryAfterMs: wait })
}

function checkRequestId(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= requestIdMax) {
    return value
  }
  throw new MillraceError('PROTOCOL_VIOLATION', `request id: wanted 0 to ${requestIdMax}`)
}
