/** The broker of a run: one that runs, or one that is started for it. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBroker } from '../broker-process.ts'
import { CliError } from '../exit-codes.ts'

export interface BenchBroker {
  readonly url: string
  /** The folder of its data where it was started for the run. */
  readonly data: string | undefined
}

/**
 * Starts a broker over a new folder in `parent`, the temporary folder unless it is given; it is
 * stopped, and the folder removed, when `work` has ended. Throws a CliError, FILE_UNREADABLE, where
 * there can be no folder.
 */
export async function withOwnBroker<Answer>(
  parent: string | undefined,
  work: (broker: BenchBroker) => Promise<Answer>,
): Promise<Answer> {
  const directory = makeDirectory(parent ?? tmpdir())
  const remove = () => rmSync(directory, { recursive: true, force: true })
  // Also where a second signal ends the process at once.
  process.once('exit', remove)
  try {
    const data = join(directory, 'data')
    // A run measures the shards that it has made.
    const broker = await startBroker(data, ['--scaling-disabled'])
    try {
      return await work({ url: broker.url, data })
    } finally {
      await broker.stop()
    }
  } finally {
    process.off('exit', remove)
    remove()
  }
}

function makeDirectory(parent: string): string {
  try {
    return mkdtempSync(join(parent, 'millrace-bench-'))
  } catch (error) {
    throw noFolder(parent, error)
  }
}

function noFolder(parent: string, cause: unknown): CliError {
  const { code } = cause as NodeJS.ErrnoException
  return new CliError('FILE_UNREADABLE', `no folder can be made in ${parent} (${code})`, {
    hint: 'Name a folder that is there: --start FOLDER',
    cause,
  })
}
