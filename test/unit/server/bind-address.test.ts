import { describe, expect, it } from 'vitest'
import { bindAddress } from '../../../src/server/bind-address.ts'

const resolveTo =
  (...addresses: string[]) =>
  async () =>
    addresses.map((address) => ({ address }))

describe('the address behind a host', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
  ])('%s is itself, and is not looked up', async (host, address) => {
    const resolve = () => Promise.reject(new Error('looked up'))
    expect(await bindAddress(host, {}, 'listen', resolve)).toBe(address)
  })

  it('localhost is the loopback address that it leads to', async () => {
    expect(await bindAddress('localhost', {}, 'listen', resolveTo('::1', '127.0.0.1'))).toBe('::1')
  })

  it('localhost is refused where the resolver leads it elsewhere', async () => {
    for (const addresses of [['192.0.2.1'], ['127.0.0.1', '192.0.2.1'], ['::']]) {
      await expect(
        bindAddress('localhost', {}, 'listen', resolveTo(...addresses)),
      ).rejects.toMatchObject({
        code: 'UNSAFE_ADDRESS',
        message: expect.stringContaining(`leads to ${addresses.at(-1)} here`),
      })
    }
  })

  it('localhost is refused where nobody knows it', async () => {
    const resolve = () => Promise.reject(new Error('ENOTFOUND'))
    await expect(bindAddress('localhost', {}, 'listen', resolve)).rejects.toMatchObject({
      code: 'ADDRESS_UNAVAILABLE',
    })
  })

  it('is that of other machines only with protection', async () => {
    await expect(bindAddress('0.0.0.0', {})).rejects.toMatchObject({ code: 'UNSAFE_ADDRESS' })
    const safe = { isAuthenticated: true, isEncrypted: true }
    expect(await bindAddress('0.0.0.0', safe)).toBe('0.0.0.0')
  })
})
