import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runChild, temporaryDirectory } from './harness.ts'

it('views outlive the maps of the log, lose what is trimmed, never end the process', async () => {
  const directory = join(temporaryDirectory(), 'log')
  const result = await runChild('held-view.mjs', [directory], { nodeOptions: ['--expose-gc'] })
  expect(result).toMatchObject({ code: 0, signal: null, stderr: '' })
  expect(JSON.parse(result.stdout)).toEqual({
    kept: 60,
    gone: 30,
    left: 30,
    closed: 60,
    copied: true,
    liveMappings: 0,
  })
})
