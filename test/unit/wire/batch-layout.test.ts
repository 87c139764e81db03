import { expect, it } from 'vitest'
import { constants } from '../../../src/log/binding.ts'
import { batchLayout } from '../../../src/wire/batch-layout.ts'

it('the layout of a batch is that of native', () => {
  expect(batchLayout).toEqual(constants.batch)
})
