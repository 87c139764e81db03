/** What an operation of the protocol is. The operations themselves are in operations.ts. */

import type { Fields, Struct } from './fields.ts'

/** One operation. */
export interface Operation<
  Name extends string = string,
  Request extends Fields = Fields,
  Answer extends Fields = Fields,
> {
  /** The first element of its frames: 0x10 to 0x3f. */
  readonly opcode: number
  readonly name: Name
  readonly request: Request
  readonly answer: Answer
}

/** What an operation takes, as an object. */
export type RequestOf<Op extends Operation> = Struct<Op['request']>
/** What an operation answers, as an object. */
export type AnswerOf<Op extends Operation> = Struct<Op['answer']>

/** Names the types of an operation from its fields. */
export function operation<const Name extends string, Request extends Fields, Answer extends Fields>(
  opcode: number,
  name: Name,
  request: Request,
  answer: Answer,
): Operation<Name, Request, Answer> {
  return { opcode, name, request, answer }
}
