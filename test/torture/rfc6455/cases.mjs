// All cases, each with its number, chapter by chapter.
import * as closing from './closing.mjs'
import * as control from './control.mjs'
import * as extensions from './extensions.mjs'
import * as fragments from './fragments.mjs'
import * as framing from './framing.mjs'
import * as handshake from './handshake.mjs'
import { numbered } from './numbered.mjs'
import * as refused from './refused.mjs'
import * as sizes from './sizes.mjs'
import * as texts from './texts.mjs'

// A case: `number` ("3.12"), `chapter`, `name`, `rule` (a section of RFC 6455, or `NNNN s` of
// another RFC), what is sent (`send` behind a handshake, or `raw` from the first byte on, or
// `make`, which makes the large ones when they are needed), the events that are expected
// (server-reader.mjs), how the connection is looked at afterwards (`probe`), and where what is
// expected is not what the RFC asks for, `deviation`: a name of deviations.mjs.
export const cases = numbered([
  handshake,
  refused,
  framing,
  fragments,
  control,
  closing,
  texts,
  extensions,
  sizes,
])
