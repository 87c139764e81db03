import { expect, it } from 'vitest'
import { constants } from '../../../src/log/binding.ts'
import { encodeOptions } from '../../../src/log/open-options.ts'

it('options are passed in the order that native names, with its defaults', () => {
  expect(encodeOptions({ dir: 'x' })).toEqual(constants.openDefaults)
  const given = {
    segmentBytesMin: 65_536,
    segmentBytesMax: 1_048_576,
    spareSegments: 3,
    diskLowWaterBytes: 2 ** 40,
    idleMarkerMillis: 5,
    producersMax: 6,
    mappedSegmentsMax: 7,
    scrubBytesPerSecond: 8,
    alignCommits: true,
    exclusive: true,
  }
  const values = Object.fromEntries(
    constants.openOptions.map((name, i) => [name, encodeOptions({ dir: 'x', ...given })[i]]),
  )
  expect(values).toEqual(
    Object.fromEntries(Object.entries(given).map(([name, value]) => [name, BigInt(value)])),
  )
})
