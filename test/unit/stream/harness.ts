/** Streams over logs in temporary directories. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { Log, ShardId } from '../../../src/log/log.ts'
import { openLog } from '../../../src/log/native-log.ts'
import type { ScalingEvent } from '../../../src/stream/scaling/scaling.ts'
import type { ScalingSettings } from '../../../src/stream/scaling/settings.ts'
import type { Stream } from '../../../src/stream/stream.ts'
import { Streams } from '../../../src/stream/streams.ts'
import type { FakeClocks } from '../../support/fake-clocks.ts'

export const logOptions = {
  segmentBytesMin: 64 * 1024,
  segmentBytesMax: 64 * 1024,
  diskLowWaterBytes: 1,
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-streams-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'data')
}

export interface OpenedStreams {
  readonly streams: Streams
  readonly log: Log
  readonly errors: unknown[]
  close(): Promise<void>
}

export interface StreamsOptions {
  /** Puts something between the streams and the log. */
  readonly wrap?: (log: Log) => Log
  readonly snapshotBytesMin?: number
  /** Both clocks, or that of the machine alone. */
  readonly clocks?: FakeClocks
  readonly now?: () => number
  readonly isBeingRead?: (shard: ShardId) => boolean
  readonly onServing?: (stream: Stream) => void
  readonly scaling?: Partial<ScalingSettings>
  readonly onScaling?: (event: ScalingEvent) => void
  readonly elapsed?: () => number
  readonly shardCountUpdatesPerDay?: number
}

/** Opens the streams of a directory. */
export async function openStreams(
  dir: string,
  options: StreamsOptions = {},
): Promise<OpenedStreams> {
  const { wrap = (it) => it, snapshotBytesMin, clocks, isBeingRead } = options
  const { now = clocks?.now ?? Date.now, onServing = () => {} } = options
  const { scaling, onScaling, elapsed } = options
  const opened = await openLog({ ...logOptions, dir })
  const log = wrap(opened)
  const errors: unknown[] = []
  try {
    const streams = await Streams.open(log, {
      now,
      ...(clocks === undefined ? {} : { steadyClock: clocks }),
      ...(isBeingRead === undefined ? {} : { isBeingRead }),
      onServing,
      onError: (error) => errors.push(error),
      shardCountUpdatesPerDay: options.shardCountUpdatesPerDay,
      ...(scaling === undefined ? {} : { scaling }),
      ...(onScaling === undefined ? {} : { onScaling }),
      ...(elapsed === undefined ? {} : { elapsed }),
      ...(snapshotBytesMin === undefined ? {} : { snapshotBytesMin }),
    })
    const close = async () => {
      await streams.close()
      await log.close()
    }
    return { streams, log, errors, close }
  } catch (error) {
    await log.close()
    throw error
  }
}

export function find(streams: Streams, name: string): Stream | undefined {
  return [...streams.all].find((it) => it.name === name)
}

/** Waits until nothing is CREATING, UPDATING or DELETING any more. */
export async function untilQuiet(streams: Streams): Promise<void> {
  const isQuiet = () => [...streams.all].every((it) => it.status === 'ACTIVE')
  await expect.poll(isQuiet, { interval: 1, timeout: 10_000 }).toBe(true)
}
