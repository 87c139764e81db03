import { createServer } from 'node:net'
import { expect, it } from 'vitest'
import { probePort } from '../../../src/server/port-probe.ts'

it('finds a free port, and lets go of it', async () => {
  const port = await probePort('127.0.0.1', 0)
  expect(port).toBeGreaterThan(0)
  expect(await probePort('127.0.0.1', port)).toBe(port)
})

it('says that a port is in use, and what to do', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as { readonly port: number }
  await expect(probePort('127.0.0.1', port)).rejects.toMatchObject({
    code: 'ADDRESS_UNAVAILABLE',
    message:
      `listen: 127.0.0.1:${port}: another process listens there; ` +
      'stop it, or choose another port',
  })
  await new Promise((resolve) => other.close(resolve))
})

it('says that an address is not one of this machine', async () => {
  await expect(probePort('192.0.2.1', 4570)).rejects.toThrow('does not have the address')
})
