import { describe, expect, it } from 'vitest'
import { putPatiently } from '../../../src/cli/patient-put.ts'
import { MillraceError } from '../../../src/errors.ts'

const { signal } = new AbortController()

/** A put that is refused so many times, and what it was waited for and told. */
function make(refusals: number, error: (attempt: number) => unknown) {
  const waits: number[] = []
  const lines: string[] = []
  let puts = 0
  const put = async () => {
    puts += 1
    if (puts <= refusals) throw error(puts)
    return 'stored'
  }
  const patience = {
    millisMax: 1000,
    random: () => 0.5,
    wait: async (it: number) => waits.push(it),
  }
  const run = (of = signal) => putPatiently(put, (line) => lines.push(line), of, patience)
  return { run, waits, lines, puts: () => puts }
}

const full = (retryAfterMs?: number) =>
  new MillraceError('THROUGHPUT_EXCEEDED', 'Rate exceeded.', retryAfterMs ? { retryAfterMs } : {})

describe('a put of one record', () => {
  it('is made again after the time that the broker names, and a random one', async () => {
    const { run, waits, lines, puts } = make(2, () => full(100))
    expect(await run()).toBe('stored')
    expect(puts()).toBe(3)
    expect(waits).toEqual([100 + 25, 100 + 50])
    expect(lines).toEqual([
      'the shard is at its limit: trying again in 125 ms',
      'the shard is at its limit: trying again in 150 ms',
    ])
  })

  it('says nothing when there is room', async () => {
    const { run, lines } = make(0, () => full())
    expect(await run()).toBe('stored')
    expect(lines).toEqual([])
  })

  it('is given up when it would take too long', async () => {
    const { run, waits, puts } = make(100, () => full(300))
    const error = await run().catch((it: MillraceError) => it)
    expect(error).toMatchObject({ code: 'THROUGHPUT_EXCEEDED', retryAfterMs: 300 })
    expect((error as MillraceError).message).toBe(
      'Rate exceeded. Tried 3 times, with 675 ms of waiting.',
    )
    expect(waits).toEqual([325, 350])
    expect(puts()).toBe(3)
  })

  it('is not made again after another error, nor when the run is stopped', async () => {
    const { run, puts } = make(1, () => new MillraceError('DISK_FULL', 'full'))
    await expect(run()).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect(puts()).toBe(1)
    const stopped = make(1, () => full(10))
    await expect(stopped.run(AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped')
    expect(stopped.puts()).toBe(1)
  })
})
