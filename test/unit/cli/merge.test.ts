import fc from 'fast-check'
import { expect, it } from 'vitest'
import { mergeByArrival } from '../../../src/cli/merge.ts'

interface It {
  readonly arrivalMillis: number
  readonly source: number
  readonly ordinal: number
}

/** Cuts the records of a source into pages of `size`, some of them empty. */
function pagesOf(records: It[], size: number) {
  const pages: It[][] = [[]]
  for (let at = 0; at < records.length; at += size) pages.push(records.slice(at, at + size), [])
  return async () => pages.shift()
}

it('merges by arrival, keeps the order of each source, and loses nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.integer({ min: 0, max: 20 })), { maxLength: 5 }),
      fc.integer({ min: 1, max: 4 }),
      async (times, size) => {
        const sources = times.map((list, source) =>
          list
            .sort((a, b) => a - b)
            .map((arrivalMillis, ordinal): It => ({ arrivalMillis, source, ordinal })),
        )
        const merged: It[] = []
        for await (const it of mergeByArrival(sources.map((it) => pagesOf(it, size))))
          merged.push(it)
        const arrivals = merged.map((it) => it.arrivalMillis)
        expect(arrivals).toEqual([...arrivals].sort((a, b) => a - b))
        sources.forEach((records, source) => {
          expect(merged.filter((it) => it.source === source)).toEqual(records)
        })
      },
    ),
  )
})
