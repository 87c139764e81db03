/** What is in the frames of answers. */

import { MillraceError } from '../errors.ts'
import { decodeBrokerFrame } from '../wire/frame.ts'
import { type Welcome, welcome } from '../wire/operations.ts'

const fixArray = 0x90
const fixArrayMask = 0xf0
const array16 = 0xdc
const array32 = 0xdd

/** Whether a frame begins as all of the protocol do, slices among them. */
export function isArrayFrame(frame: Uint8Array): boolean {
  const first = frame[0] ?? 0
  return (first & fixArrayMask) === fixArray || first === array16 || first === array32
}

export function isWelcome(frame: Uint8Array): boolean {
  return frame[1] === welcome.opcode
}

/** Throws a MillraceError, PROTOCOL_VIOLATION. */
export function welcomeIn(frame: Uint8Array): Welcome {
  const message = decodeBrokerFrame(frame)
  if (message.kind === 'welcome') return message.welcome
  throw new MillraceError('PROTOCOL_VIOLATION', 'no welcome')
}

/** Throws a MillraceError, PROTOCOL_VIOLATION. */
export function valuesOf(frame: Uint8Array): readonly unknown[] {
  const answer = decodeBrokerFrame(frame)
  if (answer.kind === 'answer') return answer.values
  throw new MillraceError('PROTOCOL_VIOLATION', 'wanted an answer')
}

/** Throws a MillraceError, PROTOCOL_VIOLATION. */
export function refusalIn(frame: Uint8Array): MillraceError {
  const answer = decodeBrokerFrame(frame)
  if (answer.kind === 'error') return answer.error
  throw new MillraceError('PROTOCOL_VIOLATION', 'wanted an error')
}
