/** A put as the table of operations has it, decoded as a whole: what native does in place. */

import { MillraceError } from '../../src/errors.ts'
import { unpackMessage } from '../../src/wire/codec.ts'
import { parseFields } from '../../src/wire/fields.ts'
import { type putRecord, putRecords, type RequestOf } from '../../src/wire/operations.ts'

/** Throws a MillraceError, as the fields say, or for what only two of them together show. */
export function parsePutRequest(frame: Uint8Array): RequestOf<typeof putRecord> {
  const place = { start: 2, path: '', extras: 'refused' } as const
  const request = parseFields(putRecords.request, unpackMessage(frame), place)
  const { records, explicitHashKeys } = request
  if (explicitHashKeys !== undefined && explicitHashKeys.length !== records.length) {
    throw new MillraceError('PROTOCOL_VIOLATION', 'hash keys for other records')
  }
  return request
}
