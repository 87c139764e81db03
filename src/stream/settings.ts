/**
 * What is set of a stream: how long and how much it keeps, how large its records are, its mode and
 * its tags. A change of other than tags is in the catalog when it is answered, with the stream
 * UPDATING; it is ACTIVE again when all of its shards have heard of it, also after a crash.
 */

import { MillraceError } from '../errors.ts'
import { modeSwitchesMax, retentionHoursHighest, retentionHoursLowest, tagsMax } from '../limits.ts'
import type { StreamMode, Tag } from '../wire/operations.ts'
import { oneMore } from './daily-limit.ts'
import type { Retention } from './retention.ts'
import { retentionRecord, settingsRecord } from './setting-records.ts'
import type { Stream } from './stream.ts'
import type { StreamHost } from './stream-host.ts'
import { checkTags } from './tags.ts'

/** Also on a full disk: a stream that keeps less is what helps. */
const mayFreeSpace = { usesReserve: true }

/** Throws a MillraceError, INVALID_ARGUMENT, for a period that no stream can have. */
export function checkRetentionHours(hours: number): void {
  if (hours < retentionHoursLowest) {
    refuse(
      `Minimum allowed retention period is ${retentionHoursLowest} hours. ` +
        `Requested retention period (${hours} hours) is too short.`,
    )
  }
  if (hours > retentionHoursHighest) {
    refuse(
      `Maximum allowed retention period is ${retentionHoursHighest} hours. ` +
        `Requested retention period (${hours} hours) is too long.`,
    )
  }
}

/**
 * The times of the switches of a mode with one more of them, now. Throws a MillraceError,
 * LIMIT_EXCEEDED, when there were too many within a day. Pure.
 */
export function switchedAgain(stream: Stream, nowMillis: number): readonly number[] {
  return oneMore(stream.modeSwitches, nowMillis, {
    max: modeSwitchesMax,
    what: `The mode of stream ${stream.name} was switched`,
    consequence: `it stays ${stream.mode}`,
  })
}

export class StreamSettings {
  readonly #host: StreamHost
  readonly #retention: Retention

  constructor(host: StreamHost, retention: Retention) {
    this.#host = host
    this.#retention = retention
  }

  /**
   * Keeps records for longer; what has expired does not come back. Rejects: STREAM_NOT_FOUND,
   * STREAM_IN_USE, INVALID_ARGUMENT, DISK_FULL, LOG_FAILED.
   */
  async increaseRetention(name: string, hours: number): Promise<void> {
    await this.#changeRetention(name, hours, (now) => {
      if (hours >= now) return
      refuse(
        `Requested retention period (${hours} hours) for stream ${name} can not be shorter than ` +
          `existing retention period (${now} hours). Use DecreaseStreamRetentionPeriod.`,
      )
    })
  }

  /** What is older than the new period is not read any more when it answers. Rejects the same. */
  async decreaseRetention(name: string, hours: number): Promise<void> {
    await this.#changeRetention(name, hours, (now) => {
      if (hours <= now) return
      refuse(
        `Requested retention period (${hours} hours) for stream ${name} can not be longer than ` +
          `existing retention period (${now} hours). Use IncreaseStreamRetentionPeriod.`,
      )
    })
  }

  /** Bounds the bytes that a stream keeps, or lifts the bound. Rejects the same. */
  async setRetentionBytes(name: string, retentionBytes: number | undefined): Promise<void> {
    await this.#change(name, (stream) =>
      stream.retentionBytes === retentionBytes
        ? undefined
        : retentionRecord({ ...stream, retentionBytes }),
    )
  }

  /** Rejects: STREAM_NOT_FOUND, STREAM_IN_USE, DISK_FULL, LOG_FAILED. */
  async setRecordBytesMax(name: string, recordBytesMax: number): Promise<void> {
    await this.#change(name, (stream) =>
      stream.recordBytesMax === recordBytesMax
        ? undefined
        : settingsRecord({ ...stream, recordBytesMax }),
    )
  }

  /** Rejects the same, and LIMIT_EXCEEDED when it was switched too often. */
  async setMode(name: string, mode: StreamMode): Promise<void> {
    await this.#change(name, (stream) => {
      if (stream.mode === mode) return undefined
      const modeSwitches = switchedAgain(stream, this.#host.now())
      return settingsRecord({ ...stream, mode, modeSwitches })
    })
  }

  /**
   * Sets and removes tags, in any state of the stream. Rejects: STREAM_NOT_FOUND, STREAM_IN_USE,
   * INVALID_ARGUMENT, LIMIT_EXCEEDED, DISK_FULL, LOG_FAILED.
   */
  async changeTags(name: string, set: readonly Tag[], removed: readonly string[]): Promise<void> {
    const { catalog } = this.#host
    const stream = this.#host.requireNotDeleting(name)
    checkTags(name, set, 'add')
    const keys = removed.map((key) => ({ key, value: '' }))
    checkTags(name, keys, 'remove')
    await catalog.change(() => {
      const now = catalog.state.byNumber(stream.number)
      if (now === undefined) throw notFound(name)
      const tags = new Map(now.tags)
      for (const { key, value } of set) tags.set(key, value)
      for (const key of removed) tags.delete(key)
      if (tags.size > tagsMax) throw tooManyTags(name)
      const list = Array.from(tags, ([key, value]) => ({ key, value }))
      return [{ kind: 'tagsSet', streamNumber: stream.number, tags: list }]
    })
  }

  /** Carries out the change that a stream is UPDATING for. */
  async finish({ number: streamNumber }: Stream): Promise<void> {
    await this.#retention.trimStream(streamNumber)
    const { catalog } = this.#host
    await catalog.change(
      () =>
        catalog.state.byNumber(streamNumber)?.status === 'UPDATING'
          ? [{ kind: 'statusSet', streamNumber, status: 'ACTIVE' }]
          : [],
      mayFreeSpace,
    )
    this.#host.changed(streamNumber)
  }

  async #changeRetention(
    name: string,
    hours: number,
    check: (nowHours: number) => void,
  ): Promise<void> {
    this.#retention.look()
    const number = await this.#change(name, (stream) => {
      checkRetentionHours(hours)
      check(stream.retentionPeriodHours)
      if (stream.retentionPeriodHours === hours) return undefined
      const changed = { ...stream, retentionPeriodHours: hours }
      // Of a shorter period, or of the one that was: what is older is gone for good.
      const horizons = [stream, changed].map((it) => this.#retention.horizonOf(it))
      return retentionRecord({ ...changed, horizonMillis: Math.max(...horizons) })
    })
    await this.#retention.trimStream(number)
  }

  /** Answers the number of the stream. Nothing happens where `decide` has no record. */
  async #change(
    name: string,
    decide: (stream: Stream) => ReturnType<typeof retentionRecord> | undefined,
  ): Promise<number> {
    const { catalog } = this.#host
    let streamNumber = 0
    let isChanged = false
    await catalog.change(() => {
      const stream = catalog.state.byName(name)
      // What is wrong with the request comes before the state that the stream is in.
      const record = stream === undefined ? undefined : decide(stream)
      streamNumber = this.#host.requireActive(name).number
      if (record === undefined) return []
      isChanged = true
      return [record, { kind: 'statusSet', streamNumber, status: 'UPDATING' }]
    }, mayFreeSpace)
    if (isChanged) {
      this.#host.changed(streamNumber)
      this.#host.startWork(streamNumber)
    }
    return streamNumber
  }
}

function notFound(name: string): MillraceError {
  return new MillraceError('STREAM_NOT_FOUND', `Stream ${name} not found.`)
}

function tooManyTags(name: string): MillraceError {
  return new MillraceError(
    'LIMIT_EXCEEDED',
    `Failed to add tags to stream ${name} because a given stream cannot have ` +
      `more than ${tagsMax} tags associated with it.`,
  )
}

function refuse(text: string): never {
  throw new MillraceError('INVALID_ARGUMENT', text)
}
