// Builds the nbdkit plugin, once per folder.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mustRun } from '../lib/processes.mjs'

const SOURCE = fileURLToPath(new URL('trace_disk.c', import.meta.url))

export async function buildPlugin(folder) {
  const library = join(folder, 'trace_disk.so')
  if (!existsSync(library)) {
    await mustRun('gcc', [
      '-O2',
      '-Wall',
      '-Wextra',
      '-Werror',
      '-shared',
      '-fPIC',
      '-o',
      library,
      SOURCE,
    ])
  }
  return library
}
