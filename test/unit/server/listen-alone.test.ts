import { createServer, isIP } from 'node:net'
import { expect, it } from 'vitest'
import { type Listening, listenAlone } from '../../../src/server/listen-alone.ts'
import { withPortLock } from '../../../src/server/port-lock.ts'
import { probePort } from '../../../src/server/port-probe.ts'

const host = '127.0.0.1'

/** Listens `most` times, and counts how. */
function makeApp(most: number) {
  const calls: (readonly [string, number, number])[] = []
  const app: Listening<number> = {
    listen(name, port, options, callback) {
      calls.push([name, port, options])
      callback(calls.length <= most ? calls.length : false)
    },
  }
  return { app, calls }
}

const isLinux = process.platform === 'linux'
if (!isLinux) console.log('skipped: only Linux has names that vanish with their process')

it.runIf(isLinux)('shares a port among sockets of its own', async () => {
  const { app, calls } = makeApp(10)
  const port = await probePort(host, 0)
  expect(await listenAlone(app, host, port)).toEqual([1, 2, 3, 4])
  expect(calls).toEqual(Array.from({ length: 4 }, () => [host, port, 0]))
})

it('listens on the address that it has probed, also of a name', async () => {
  const { app, calls } = makeApp(1)
  await listenAlone(app, 'localhost', 0)
  expect(isIP(calls[0]?.[0] ?? '')).toBeGreaterThan(0)
  await expect(listenAlone(app, 'no.such.host.invalid', 0)).rejects.toMatchObject({
    code: 'ADDRESS_UNAVAILABLE',
  })
})

it.runIf(isLinux)('takes fewer where the system gives no more, and none', async () => {
  expect(await listenAlone(makeApp(2).app, host, 0)).toEqual([1, 2])
  expect(await listenAlone(makeApp(0).app, host, 0)).toEqual([])
})

it('does not share a port with anybody else', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, host, resolve))
  const { port } = other.address() as { readonly port: number }
  const { app, calls } = makeApp(isLinux ? 10 : 0)
  const listening = listenAlone(app, host, port)
  if (isLinux) await expect(listening).rejects.toMatchObject({ code: 'ADDRESS_UNAVAILABLE' })
  expect(calls.filter(([, , options]) => options === 0)).toEqual([])
  await new Promise((resolve) => other.close(resolve))
})

it.runIf(isLinux)('waits while another opens the same port, and not for other ports', async () => {
  const port = await probePort(host, 0)
  const order: string[] = []
  let release: () => void = () => undefined
  const first = withPortLock(port, async (isLocked) => {
    order.push(`first ${isLocked}`)
    await new Promise<void>((resolve) => {
      release = resolve
    })
  })
  while (order.length === 0) await new Promise(setImmediate)
  const second = listenAlone(makeApp(10).app, host, port).then((it) => order.push(`${it.length}`))
  expect(await listenAlone(makeApp(10).app, host, 0)).toHaveLength(4)
  expect(order).toEqual(['first true'])
  release()
  await Promise.all([first, second])
  expect(order).toEqual(['first true', '4'])
})
