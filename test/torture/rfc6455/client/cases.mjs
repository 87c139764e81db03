// All cases for the client, each with its number, chapter by chapter.
import { numbered } from '../numbered.mjs'
import * as closing from './closing.mjs'
import * as control from './control.mjs'
import * as fragments from './fragments.mjs'
import * as framing from './framing.mjs'
import * as handshakes from './handshakes.mjs'
import * as messages from './messages.mjs'
import * as refusals from './refusals.mjs'
import * as sizes from './sizes.mjs'
import * as slowness from './slowness.mjs'
import * as texts from './texts.mjs'

// A case: `number`, `chapter`, `name`, `rule` as in ../cases.mjs; what the server says on the first
// connection (`head` to the handshake and `open` behind it, which are right unless they are given,
// and `send` once it has been asked something, or `make`, which makes the large ones when they are
// needed); the events of the client there (`wire`), what becomes of it (`fate`, see driver.mjs) and
// what it says of it (`says`).
const all = numbered(
  [handshakes, refusals, framing, fragments, control, closing, texts, sizes, messages, slowness],
  'c',
)

export const cases = all.map((it) => ({
  ...it,
  expect: [...(it.wire ?? []), ...(it.masks ?? []), it.fate],
}))
