/** Reads the first three elements of an answer without decoding the rest. */

import { MillraceError } from '../errors.ts'

export interface AnswerHead {
  readonly opcode: number
  readonly requestId: number
  /** Whether the status is nil. */
  readonly worked: boolean
}

const fixArray = 0x90
const fixArrayMask = 0xf0
const uint8 = 0xcc
const uint32 = 0xce
const nil = 0xc0

/** Throws a MillraceError, PROTOCOL_VIOLATION. */
export function readAnswerHead(frame: Uint8Array): AnswerHead {
  const [first = 0, opcode = 0, id = 0] = frame
  const isInline = id <= 0x7f
  const width = isInline ? 0 : 1 << (id - uint8)
  const isId = isInline || (id >= uint8 && id <= uint32)
  if ((first & fixArrayMask) !== fixArray || !isId || frame.length < 4 + width) {
    throw new MillraceError('PROTOCOL_VIOLATION', 'an answer begins with opcode, id and status')
  }
  let requestId = isInline ? id : 0
  for (let at = 3; at < 3 + width; at += 1) requestId = requestId * 256 + (frame[at] as number)
  return { opcode, requestId, worked: frame[3 + width] === nil }
}
