import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import {
  catalogCheckpointFields,
  catalogKinds,
  catalogLeaseFields,
  catalogMagic,
  catalogReplacementFields,
  catalogShardFields,
  catalogVersion,
  shardsPerRecordMax,
} from '../../../src/stream/catalog-records.ts'

const path = fileURLToPath(new URL('../../../src/stream/CATALOG.md', import.meta.url))
const text = readFileSync(path, 'utf8')
const flowing = text.replace(/\s+/g, ' ')

test('the table of kinds is that of the code', () => {
  const rows = [...text.matchAll(/^\| (\d+) \| `(\w+)` \| (.+) \|$/gm)].map(
    ([, number, kind, fields]) => [Number(number), kind, fields?.split(', ')],
  )
  expect(rows).toEqual(catalogKinds.map(({ number, kind, fields }) => [number, kind, fields]))
})

test('structures, magic, version and bounds are those of the code', () => {
  expect(flowing).toContain(`A shard is \`[${catalogShardFields.join(', ')}]\``)
  expect(flowing).toContain(`A checkpoint is \`[${catalogCheckpointFields.join(', ')}]\``)
  expect(flowing).toContain(`A lease is \`[${catalogLeaseFields.join(', ')}]\``)
  expect(flowing).toContain(`A replacement is \`[${catalogReplacementFields.join(', ')}]\``)
  expect(flowing).toContain(`the magic is \`${catalogMagic}\``)
  expect(flowing).toContain(`Catalog version **${catalogVersion}**`)
  expect(flowing).toContain(`At most ${shardsPerRecordMax.toLocaleString('en')} in one record`)
})
