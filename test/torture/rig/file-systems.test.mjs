import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutKinds } from './file-systems.mjs'

test('a report names the file systems that are left out', () => {
  assert.equal(
    withoutKinds(() => true),
    '',
  )
  assert.equal(
    withoutKinds((tool) => tool !== 'mkfs.xfs'),
    '; without xfs, as there is no mkfs.xfs',
  )
})
