/** One at a time of all brokers on a machine, for as long as one of them opens a port. */

import { createServer } from 'node:net'
import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'

const lookMillis = 5
/** Who opens a port has it for milliseconds. */
const waitMillisMax = 1000
/** As long as the system allows: versions of Node differ in what they add to a shorter name. */
const nameBytes = 108

/**
 * Runs `run` while no other process that asks for it does so for the same port, and tells it
 * whether that is so: systems other than Linux have no names that vanish with whoever held them.
 */
export async function withPortLock<Answer>(
  port: number,
  run: (isLocked: boolean) => Promise<Answer>,
): Promise<Answer> {
  const lock = process.platform === 'linux' ? await takeLock(port) : undefined
  try {
    return await run(lock !== undefined)
  } finally {
    lock?.close()
  }
}

/** Undefined when it is not to be had, for whatever reason. */
async function takeLock(port: number): Promise<{ close(): void } | undefined> {
  const end = performance.now() + waitMillisMax
  // An abstract name: there is no file that somebody could leave behind.
  const path = `\0millrace-port-${port}`.padEnd(nameBytes, '.')
  for (;;) {
    const lock = createServer((socket) => socket.destroy())
    const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      lock.on('error', resolve)
      lock.listen({ path, exclusive: true }, () => resolve(undefined))
    })
    if (error === undefined) return lock
    if (error.code !== 'EADDRINUSE' || performance.now() > end) return undefined
    await wait(lookMillis)
  }
}
