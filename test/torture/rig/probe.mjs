// Driving probe_writer.c and judging what it left: the rig's own test.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeEnd, mustRun, run } from '../lib/processes.mjs'

const SOURCE = fileURLToPath(new URL('probe_writer.c', import.meta.url))
const BLOCK_BYTES = 1000
const EXIT_STOPPED_BY_ERROR = 3

export async function buildProbe(folder) {
  const program = join(folder, 'probe_writer')
  if (!existsSync(program))
    await mustRun('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, SOURCE])
  return program
}

// Answers the acknowledged blocks in order, [{ id, clock }], and whether an error stopped the
// writer. `mode` is 'sync', 'nosync' or 'retry'.
export async function runProbe({ program, directory, acksPath, tracePath, count, mode }) {
  const args = ['probe.dat', acksPath, tracePath, String(count), mode]
  const result = await run(program, args, { cwd: directory })
  if (result.code !== 0 && result.code !== EXIT_STOPPED_BY_ERROR) {
    throw new Error(`probe_writer: ${describeEnd(result)}`)
  }
  const acks = readFileSync(acksPath, 'utf8')
    .trimEnd()
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [id, clock] = line.split(' ').map(Number)
      return { id, clock }
    })
  return { acks, stopped: result.code === EXIT_STOPPED_BY_ERROR }
}

// How many of the blocks with these ids are not whole in the directory.
export function countLost(directory, ids) {
  const path = join(directory, 'probe.dat')
  const content = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
  return ids.filter((id) => !blockIsWhole(content, id)).length
}

function blockIsWhole(content, id) {
  const start = (id - 1) * BLOCK_BYTES
  if (content.length < start + BLOCK_BYTES || content.readInt32LE(start) !== id) return false
  return content.subarray(start + 4, start + BLOCK_BYTES).every((byte) => byte === (id & 0xff))
}
