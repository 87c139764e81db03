/** Files with secrets, or with what is trusted: only their owner may read and write them. */

import { open } from 'node:fs/promises'
import { type ErrorCode, MillraceError } from '../errors.ts'

/** Who else than the owner may read or write it. */
const othersMask = 0o077
/** Of a larger one it is not likely that it is what it is taken for, unless it is a list. */
const fileBytesMax = 1024 * 1024

/**
 * The text of such a file. Rejects with a MillraceError of `code`: it is not there or cannot be
 * read, others than its owner may read or write it, or it is too large. `what` it is: `key file`.
 */
export async function readPrivateText(
  path: string,
  code: ErrorCode,
  what: string,
  bytesMax: number = fileBytesMax,
): Promise<string> {
  const refuse = (text: string): never => {
    throw new MillraceError(code, text)
  }
  try {
    const file = await open(path, 'r')
    try {
      // Of the file that is open, and not of one that comes to stand under its name.
      const { mode, size } = await file.stat()
      if (isOpenToOthers(mode)) refuse(modeText(path, mode))
      if (size > bytesMax) {
        refuse(`${path} has ${size} bytes, which is no ${what}: at most ${bytesMax}`)
      }
      return await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause
    throw unreadable(path, code, cause)
  }
}

function unreadable(path: string, code: ErrorCode, cause: unknown): MillraceError {
  const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
  return new MillraceError(code, `${path} cannot be read: ${reason}.`, { cause })
}

function isOpenToOthers(mode: number): boolean {
  return process.platform !== 'win32' && (mode & othersMask) !== 0
}

function modeText(path: string, mode: number): string {
  const octal = (mode & 0o777).toString(8).padStart(4, '0')
  return `${path} has mode ${octal}: others may read or write it. Set it with: chmod 600 ${path}`
}
