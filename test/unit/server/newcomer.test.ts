/** What a client says first waits, and nothing of it is lost, doubled or out of order. */

import { expect, it } from 'vitest'
import { LateWork } from '../../../src/server/late-work.ts'
import { Newcomer } from '../../../src/server/newcomer.ts'
import type { Socket, SocketHandler } from '../../../src/server/transport.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

function makeNewcomer() {
  const told: string[] = []
  let isCorked = false
  const socket = {
    cork(run: () => void) {
      isCorked = true
      run()
      isCorked = false
    },
  } as unknown as Socket
  const handler: SocketHandler = {
    receive: (message, isBinary) => {
      const how = `${isBinary ? 'binary' : 'text'}${isCorked ? ', corked' : ''}`
      told.push(`${message[0]} of ${message.length}: ${how}`)
    },
    drained: () => told.push('drained'),
    ponged: () => told.push('ponged'),
    closed: (code) => told.push(`closed ${code}`),
  }
  let current: SocketHandler | undefined
  const settled = (it: SocketHandler) => {
    current = it
  }
  const newcomer = new Newcomer(socket, handler, { late: new LateWork(), settled })
  return { newcomer, handler, told, settled: () => current }
}

it('is carried out a turn later, in its order and in one packet', async () => {
  const { newcomer, handler, told, settled } = makeNewcomer()
  const lent = Uint8Array.of(1, 0)
  newcomer.receive(lent, true)
  lent[0] = 2
  newcomer.receive(lent, false)
  lent[0] = 3
  expect(told).toEqual([])
  expect(settled()).toBeUndefined()
  await turn()
  expect(told).toEqual(['1 of 2: binary, corked', '2 of 2: text, corked'])
  expect(settled()).toBe(handler)
})

it('is carried out at once when it is too much to keep', async () => {
  const { newcomer, handler, told, settled } = makeNewcomer()
  newcomer.receive(Uint8Array.of(1), true)
  const large = new Uint8Array(4096)
  large[0] = 2
  newcomer.receive(large, true)
  expect(told).toEqual(['1 of 1: binary, corked', '2 of 4096: binary'])
  expect(settled()).toBe(handler)
  await turn()
  expect(told).toHaveLength(2)
})

it('is carried out no more when the connection has ended', async () => {
  const { newcomer, told } = makeNewcomer()
  newcomer.receive(Uint8Array.of(1), true)
  newcomer.closed(1006)
  await turn()
  expect(told).toEqual(['closed 1006'])
})

it('holds up nothing else', () => {
  const { newcomer, told } = makeNewcomer()
  newcomer.receive(Uint8Array.of(1), true)
  newcomer.drained()
  newcomer.ponged()
  expect(told).toEqual(['drained', 'ponged'])
})
