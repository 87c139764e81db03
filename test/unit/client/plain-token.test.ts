import { describe, expect, test } from 'vitest'
import { connectOver } from '../../../src/client/client.ts'
import { checkTokenPath } from '../../../src/client/plain-token.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { FakeSockets } from '../../support/fake-sockets.ts'

const refuses = (url: string) => {
  try {
    checkTokenPath(url, false)
    return false
  } catch (error) {
    expect(error).toMatchObject({
      code: 'UNSAFE_ADDRESS',
      message: expect.stringContaining(`${new URL(url).host} in plain text`),
    })
    return true
  }
}

describe('a token', () => {
  test.each([
    'ws://127.0.0.1:4570',
    'ws://127.8.9.1',
    'ws://127.1',
    'ws://0x7f.1',
    'ws://localhost:4570/path',
    'ws://LOCALHOST',
    'ws://[::1]:4570',
    'ws://[0:0:0:0:0:0:0:1]',
    'ws://[::ffff:127.0.0.1]',
    'wss://broker.example',
    'wss://10.0.0.1',
  ])('may go to %s', (url) => {
    expect(refuses(url)).toBe(false)
  })

  test.each([
    'ws://broker.example',
    'ws://10.0.0.1:4570',
    'ws://0.0.0.0',
    'ws://128.0.0.1',
    'ws://[::]',
    'ws://[::2]',
    'ws://[::ffff:10.0.0.1]',
    'ws://[fe80::1]',
    'ws://localhost.',
    'ws://localhost.example',
    'ws://127.0.0.1.example',
    'ws://127.0.0.1@broker.example',
    'ws://evil-localhost',
  ])('does not go to %s unless that is accepted', (url) => {
    expect(refuses(url)).toBe(true)
    expect(() => checkTokenPath(url, true)).not.toThrow()
  })

  test('that would leave this machine in plain text is never asked for', async () => {
    const sockets = new FakeSockets()
    const clock = new FakeClock()
    let asked = 0
    const token = () => {
      asked += 1
      return 'token'
    }
    const url = 'ws://broker.example'
    await expect(connectOver(sockets.open, url, { token }, clock)).rejects.toMatchObject({
      code: 'UNSAFE_ADDRESS',
      message: expect.stringMatching(/wss:.*insecurePlainToken.*--insecure-plain-token/),
    })
    expect([asked, sockets.all.length, clock.timers.size]).toEqual([0, 0, 0])
    const accepted = connectOver(sockets.open, url, { token, insecurePlainToken: true }, clock)
    await settle()
    sockets.last.welcome()
    await (await accepted).close()
    expect(asked).toBe(1)
    const without = connectOver(sockets.open, url, {}, clock)
    await settle()
    sockets.last.welcome()
    await (await without).close()
  })
})
