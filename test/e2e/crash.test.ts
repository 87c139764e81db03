/** What becomes of a broker in which something throws where nobody expects it. */

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { runCli, serve, temporaryDirectory } from './cli-process.ts'

it.each([
  ['an exception', `throw new Error('planted')`],
  ['a rejection', `void Promise.reject(new Error('planted'))`],
])('%s ends it with 70, and what was acknowledged is there', async (_, statement) => {
  const dir = temporaryDirectory()
  const planted = join(dir, 'planted.mjs')
  writeFileSync(planted, `process.once('SIGWINCH', () => { ${statement} })\n`)
  const data = join(dir, 'data')
  const environment = { NODE_OPTIONS: `--import ${pathToFileURL(planted).href}` }
  const served = await serve(['--data', data, '--create', 'orders:1'], { environment })
  const put = ['put', 'orders', '--key', 'a', 'kept', '--url', served.url]
  expect(await runCli(put)).toMatchObject({ status: 0 })
  const ended = once(served.child, 'close')
  served.child.kill('SIGWINCH')
  expect(await ended).toEqual([70, null])
  expect(served.stderr.text).toMatch(/error: INTERNAL: Error: planted\n +at /)
  const again = await serve(['--data', data])
  const got = await runCli(['get', 'orders', '--raw', '--url', again.url])
  expect(got).toMatchObject({ status: 0, stdout: expect.stringMatching(/^kept\n?$/) })
  await again.stop()
})
