// Gives the cases of chapters their numbers: "3.12", or "c3.12" with a prefix.
import { deviations } from './deviations.mjs'

export function numbered(chapters, prefix = '') {
  return chapters.flatMap(({ title, cases }, chapter) =>
    cases.map((it, index) =>
      checked({ ...it, chapter: title, number: `${prefix}${chapter + 1}.${index + 1}` }),
    ),
  )
}

// A deviation that nobody knows is none that anybody has decided on.
function checked(it) {
  if (it.deviation === undefined || it.deviation in deviations) return it
  throw new Error(`case ${it.number}: there is no deviation ${it.deviation}`)
}
