// All cases, each with its number, chapter by chapter.
import * as closing from './closing.mjs'
import * as control from './control.mjs'
import { deviations } from './deviations.mjs'
import * as extensions from './extensions.mjs'
import * as fragments from './fragments.mjs'
import * as framing from './framing.mjs'
import * as handshake from './handshake.mjs'
import * as refused from './refused.mjs'
import * as sizes from './sizes.mjs'
import * as texts from './texts.mjs'

const CHAPTERS = [
  handshake,
  refused,
  framing,
  fragments,
  control,
  closing,
  texts,
  extensions,
  sizes,
]

// A deviation that nobody knows is none that anybody has decided on.
function checked(list) {
  const unknown = list.find((it) => it.deviation !== undefined && !(it.deviation in deviations))
  if (unknown === undefined) return list
  throw new Error(`case ${unknown.number}: there is no deviation ${unknown.deviation}`)
}

// A case: `number` ("3.12"), `chapter`, `name`, `rule` (a section of RFC 6455, or `NNNN s` of
// another RFC), what is sent (`send` behind a handshake, or `raw` from the first byte on, or
// `make`, which makes the large ones when they are needed), the events that are expected
// (server-reader.mjs), how the connection is looked at afterwards (`probe`), and where what is
// expected is not what the RFC asks for, `deviation`: a name of deviations.mjs.
export const cases = checked(
  CHAPTERS.flatMap(({ title, cases: list }, chapter) =>
    list.map((it, index) => ({ ...it, chapter: title, number: `${chapter + 1}.${index + 1}` })),
  ),
)
