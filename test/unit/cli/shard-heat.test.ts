/** How hot the shards of a stream are, as people read it. */

import { describe, expect, it as test } from 'vitest'
import { Output } from '../../../src/cli/output.ts'
import { heatLines, scalingLines } from '../../../src/cli/shard-heat.ts'
import type { ScalingDescription } from '../../../src/wire/reshard-verbs.ts'

function outputOf(isTTY = false): Output {
  const sink = { isTTY, write: () => true, on: () => undefined }
  return new Output({ stdout: sink, stderr: sink, json: false, environment: {} })
}

const id = (index: number) => `shardId-00000000000${index}`
const space = 2n ** 128n

/** An ON_DEMAND stream whose shards have these loads, in percent. */
function described(
  loads: readonly number[],
  changed: Partial<ScalingDescription> = {},
): ScalingDescription {
  const start = (at: number) => (BigInt(at) * space) / BigInt(loads.length)
  return {
    streamMode: 'ON_DEMAND',
    isAutomatic: true,
    shardsMin: 2,
    shardsMax: 64,
    splitPercent: 50,
    splitMillis: 60_000,
    mergePercent: 12,
    mergeMillis: 3_600_000,
    shards: loads.map((loadPercent, at) => ({
      shardId: id(at),
      startingHashKey: start(at),
      endingHashKey: start(at + 1) - 1n,
      recordsPerSecond: 10 * loadPercent,
      bytesPerSecond: 1024 * loadPercent,
      loadPercent,
      measuredMillis: 60_000,
    })),
    changes: [],
    blocked: [],
    restMillis: 0,
    ...changed,
  }
}

const split = {
  shardIds: [id(1)],
  startingHashKeys: [space / 4n, (3n * space) / 8n],
  reason: 'it is hot',
}
const merge = { shardIds: [id(2), id(3)], startingHashKeys: [space / 2n], reason: 'they are cold' }
const blocked = { shardId: id(0), blockReason: 'HOT_KEY' as const, reason: 'one key has it all' }

describe('the shards', () => {
  test('have a bar each, which is full at 100 % and no longer beyond', () => {
    const [head, ...rest] = heatLines(outputOf(), described([0, 4, 5, 50, 100, 250]))
    const lines = rest.slice(0, 6)
    expect(head).toMatch(/^shard +hash keys +records\/s +bytes\/s +load$/)
    expect(lines.map((it) => it.replace(/^.* % +/, ''))).toEqual([
      '··········',
      '··········',
      '█·········',
      '█████·····',
      '██████████',
      '██████████',
    ])
    expect(lines[3]).toMatch(/^shardId-0+3 +50 % to 66\.6 % +500 +50\.0 KiB +50 % +█/)
    expect(lines[5]).toContain('250 %')
  })

  test('are marked by what is done with them, and coloured on a terminal alone', () => {
    const all = described([90, 80, 2, 3, 20], { changes: [split, merge], blocked: [blocked] })
    const lines = heatLines(outputOf(), all).slice(1, 6)
    expect(lines.map((it) => it.replace(/^.*[█·] ?/, ''))).toEqual([
      'blocked',
      'split',
      'merge',
      'merge',
      '',
    ])
    const escapeCode = String.fromCharCode(27)
    expect(lines.join('')).not.toContain(escapeCode)
    const coloured = heatLines(outputOf(true), all).slice(1, 6)
    expect(coloured.map((it) => it.startsWith(`${escapeCode}[31m`))).toEqual([
      true,
      false,
      false,
      false,
      false,
    ])
    expect(coloured.map((it) => it.startsWith(`${escapeCode}[33m`))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ])
  })
})

describe('the time over which it was measured', () => {
  const notYet = (all: ScalingDescription, ...places: number[]) => ({
    ...all,
    shards: all.shards.map((it, at) => (places.includes(at) ? { ...it, measuredMillis: 0 } : it)),
  })

  test('is told', () => {
    expect(heatLines(outputOf(), described([5])).slice(2)).toEqual([
      '',
      'Measured over 1 min 0 s; load: of what a shard is taken to carry.',
    ])
  })

  test('is none for a shard that is new: nothing known is not shown as nothing', () => {
    const lines = heatLines(outputOf(), notYet(described([5, 90]), 1))
    expect(lines[1]).toMatch(/^shardId-0+ .* 50 +5\.0 KiB +5 % +█/)
    expect(lines[2]).toMatch(/^shardId-0+1 .* % +- +- +- /)
    expect(lines.slice(3).filter((it) => it !== '')).toEqual([
      'Measured over 1 min 0 s; load: of what a shard is taken to carry.',
      '- is not known yet: ask again in some seconds.',
    ])
    const none = heatLines(outputOf(), notYet(described([5]), 0))
    expect(none.slice(2)).toEqual(['', '- is not known yet: ask again in some seconds.'])
  })
})

describe('what a stream would do now', () => {
  const said = (description: ScalingDescription) => {
    const lines = scalingLines(outputOf(), 'orders', description)
    const measured = lines.findIndex((it) => it.startsWith('Measured'))
    return { head: lines[0], measured: lines[measured], decisions: lines.slice(measured + 1) }
  }

  test('is said of each shard, with the reason', () => {
    const changes = [split, merge]
    const { head, measured, decisions } = said(
      described([90, 80, 2, 3], { changes, blocked: [blocked], restMillis: 30_000 }),
    )
    expect(head).toBe('orders is ON_DEMAND: 4 open shards, 2 to 64 allowed')
    expect(measured).toMatch(/^Measured over .*; load: of what a shard is taken to carry\.$/)
    expect(decisions.slice(0, 3)).toEqual([
      `Would split ${id(1)} at 37.5 %: it is hot.`,
      `Would merge ${id(2)} and ${id(3)}: they are cold.`,
      `Cannot split ${id(0)}, HOT_KEY: one key has it all.`,
    ])
    expect(decisions[3]).toMatch(/^Changes nothing for another .*30.*\.$/)
    expect(decisions).toHaveLength(4)
  })

  test('is nothing, by which rule, where nothing is due', () => {
    const { decisions } = said(described([1]))
    expect(decisions[0]).toBe('Would change nothing now.')
    expect(decisions.slice(1).join(' ')).toMatch(/more than 50 % for .* less than 12 % together/)
  })

  test('is nothing where its owner decides, or scaling is switched off', () => {
    const provisioned = said(described([90, 1], { streamMode: 'PROVISIONED' }))
    expect(provisioned.head).toBe('orders is PROVISIONED: 2 open shards')
    expect(provisioned.decisions).toEqual([
      'Its shards stay as they are: `millrace stream scale STREAM COUNT` changes them.',
    ])
    expect(said(described([90], { isAutomatic: false })).decisions).toEqual([
      'Its shards stay as they are: scaling.disabled is set at the broker.',
    ])
  })
})
