/** The operation by which a client says who it is, where its connection did not. */

import { principalCharactersMax } from '../limits.ts'
import { bytes, optional, text, uint } from './fields.ts'
import { operation } from './operation.ts'

export const authenticate = operation(
  0x3f,
  'Authenticate',
  {
    /** As text in ASCII. A bin, as tokens can be longer than a str. */
    token: bytes,
  },
  {
    principal: text({ max: principalCharactersMax }),
    /** How long that holds; missing where it does as long as the rules of the broker do. */
    expiresInMillis: optional(uint()),
    /** The largest message that the broker takes from it, in bytes. */
    frameBytesMax: optional(uint()),
  },
)
