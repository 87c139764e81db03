/** A producer whose records have no keys, while its stream becomes one that asks for them. */

import { expect, it } from 'vitest'
import { serve } from './cli-process.ts'
import { RawClient } from './raw-client.ts'

it('a put that was answered before is answered so again, and a new one is refused', async () => {
  const { url } = await serve(['--ephemeral', '--create', 'orders:3'])
  const put = (sequence: number) => [
    0x21,
    sequence,
    'orders',
    null,
    [
      ['k', new Uint8Array(1)],
      [null, new Uint8Array(1)],
    ],
    null,
    77,
    sequence,
  ]
  const first = await RawClient.open(url)
  const answer = await first.ask(put(1))
  expect(answer[2]).toBe(null)
  // The answer is lost, as far as its producer knows: it comes again.
  await first.close()
  const again = await RawClient.open(url)
  expect((await again.ask([0x25, 9, 'orders', 'PROVISIONED']))[2]).toBe(null)
  expect(await again.ask(put(1))).toEqual(answer)
  expect((await again.ask(put(2))).slice(2, 4)).toEqual([
    'INVALID_ARGUMENT',
    expect.stringContaining('record 1: it has no partition key'),
  ])
  await again.close()
})
