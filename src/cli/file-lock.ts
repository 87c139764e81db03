/** One at a time changes a file. */

import { type FileHandle, open, readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { MillraceError } from '../errors.ts'

const waitMillisMax = 5000
const waitMillis = 20

/**
 * Runs `work` while no other process does under the lock of this file, which is another file beside
 * it. Rejects with a MillraceError, ACCESS_FILE_REFUSED, where that is not let go of in time: a
 * process that was killed leaves its lock, and nobody can tell for sure that it has gone.
 */
export async function withFileLock<Answer>(
  path: string,
  work: () => Promise<Answer>,
  millisMax: number = waitMillisMax,
): Promise<Answer> {
  const lock = `${path}.lock`
  await take(lock, path, performance.now() + millisMax)
  try {
    return await work()
  } finally {
    await rm(lock, { force: true })
  }
}

async function take(lock: string, path: string, until: number): Promise<void> {
  while (!(await isTaken(lock))) {
    if (performance.now() >= until) throw await heldByAnother(lock, path)
    await sleep(waitMillis)
  }
}

/** Whether it is ours now. */
async function isTaken(lock: string): Promise<boolean> {
  try {
    const file = await open(lock, 'wx', 0o600)
    await sign(file, lock)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw unwritable(lock, error)
  }
}

/** Where that fails it is nobody's, and would keep out everybody. */
async function sign(file: FileHandle, lock: string): Promise<void> {
  try {
    await file.writeFile(String(process.pid)).finally(() => file.close())
  } catch (error) {
    await rm(lock, { force: true })
    throw error
  }
}

/** On this machine: the file may be on a disk that others have, too. */
function isGone(holder: string): boolean {
  if (!/^[1-9]\d*$/.test(holder)) return false
  try {
    process.kill(Number(holder), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

async function heldByAnother(lock: string, path: string): Promise<MillraceError> {
  const holder = await readFile(lock, 'utf8').catch(() => '')
  const text = isGone(holder)
    ? `${path} has the lock of process ${holder}, which is gone; remove ${lock}`
    : `${path} is being changed by process ${holder || 'unknown'}; ` +
      `if there is no such process, remove ${lock}`
  return new MillraceError('ACCESS_FILE_REFUSED', text)
}

function unwritable(lock: string, cause: unknown): MillraceError {
  const { code } = cause as NodeJS.ErrnoException
  return new MillraceError('ACCESS_FILE_REFUSED', `${lock} cannot be made: ${code}`, { cause })
}
