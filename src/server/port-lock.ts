/** One at a time of all brokers on a machine, for as long as one of them opens a port. */

import { createServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

const lookMillis = 5
/** Who opens a port has it for milliseconds. */
const waitMillisMax = 5000

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
  const end = Date.now() + waitMillisMax
  for (;;) {
    const lock = createServer((socket) => socket.destroy())
    const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      lock.once('error', resolve)
      // An abstract name: there is no file that somebody could leave behind.
      lock.listen({ path: `\0millrace-port-${port}`, exclusive: true }, () => resolve(undefined))
    })
    if (error === undefined) return lock
    if (error.code !== 'EADDRINUSE' || Date.now() > end) return undefined
    await wait(lookMillis)
  }
}
