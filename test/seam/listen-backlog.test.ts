import { createServer } from 'node:net'
import { expect, it } from 'vitest'
import { raiseListenBacklog } from '../../src/log/listen-backlog.ts'
import { raiseListenBacklogOrWarn } from '../../src/server/listen-backlog.ts'
import { FakeLogger } from '../unit/server/fakes.ts'

async function portOf(host: string) {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen({ host, port: 0 }, resolve))
  const { port } = server.address() as { readonly port: number }
  return { port, close: () => new Promise((resolve) => server.close(resolve)) }
}

it.each(['127.0.0.1', '::1'])('a socket of %s that listens is found by its port', async (host) => {
  const { port, close } = await portOf(host)
  expect(raiseListenBacklog(port)).toBe(true)
  await close()
  expect(raiseListenBacklog(port)).toBe(false)
})

it.each([-1, 70_000, 1.5, Number.NaN])('%s is no port', (port) => {
  expect(() => raiseListenBacklog(port)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  )
})

it('a server whose backlog stays short says so, and goes on', async () => {
  const { port, close } = await portOf('127.0.0.1')
  await close()
  const logger = new FakeLogger()
  raiseListenBacklogOrWarn(port, logger)
  raiseListenBacklogOrWarn(70_000, logger)
  const warning = { level: 'warn', text: expect.stringContaining('512 clients') }
  expect(logger.lines).toMatchObject([
    { ...warning, facts: { port, reason: 'no /dev/fd' } },
    { ...warning, facts: { code: 'INVALID_ARGUMENT' } },
  ])
})
