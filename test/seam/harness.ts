/** What the tests of the seam share: logs in temporary directories, and children of their own. */

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import {
  BatchBuilder,
  type LogOptions,
  type NativeLog,
  openLog,
  type ShardId,
  sequenceNumber,
} from '../../src/index.ts'

/** A directory that is gone after the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-seam-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A log that is closed after the test, and one shard of it. */
export async function makeLog(
  options: Partial<LogOptions> = {},
): Promise<{ log: NativeLog; shard: ShardId; dir: string }> {
  const dir = options.dir ?? join(temporaryDirectory(), 'log')
  const log = await openLog({ ...options, dir })
  onTestFinished(() => log.close().catch(() => undefined))
  const [shard] = await log.createShards([sequenceNumber(1n)])
  if (shard === undefined) throw new Error('no shard was created')
  return { log, shard, dir }
}

/** A batch of `count` records of `dataBytes` each. */
export function makeBatch(count: number, dataBytes: number, key = 'key'): BatchBuilder {
  const builder = new BatchBuilder()
  for (let i = 0; i < count; i += 1) builder.add(`${key}-${i}`, new Uint8Array(dataBytes).fill(i))
  return builder
}

/** The seed of a random test: given, or new; it is printed with every failure. */
export function seedOf(name: string): number {
  return Number(process.env[name] ?? Math.floor(Math.random() * 2 ** 31))
}

/** Collects garbage, and lets finalizers run, until the condition holds. */
export async function collectUntil(condition: () => boolean): Promise<boolean> {
  for (let round = 0; round < 200; round += 1) {
    if (condition()) return true
    globalThis.gc?.()
    await setImmediate()
  }
  return condition()
}

export interface ChildResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a script of children/ in a process of its own. */
export function runChild(
  script: string,
  scriptArguments: readonly string[],
  options: {
    nodeOptions?: readonly string[]
    environment?: Record<string, string>
    /** A program that runs the process, with its arguments. */
    through?: readonly string[]
  } = {},
): Promise<ChildResult> {
  const path = fileURLToPath(new URL(`children/${script}`, import.meta.url))
  const through = [...(options.through ?? []), process.execPath]
  const child = spawn(
    through[0] as string,
    [...through.slice(1), ...(options.nodeOptions ?? []), path, ...scriptArguments],
    {
      env: { ...process.env, NODE_OPTIONS: '', ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}
