// That the delays which excuse a late machine are measured, and end.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { clockMillis } from './group-lines.mjs'
import { MachineLag } from './machine-lag.mjs'

const HELD_MILLIS = 80

test('timers that are late and syncs are told of, until it is stopped', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-lag-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const delays = { timer: [], sync: [] }
  const begun = clockMillis()
  const lag = new MachineLag(join(folder, 'synced'), (kind, delay) => {
    delays[kind].push(delay)
    const isEnough = delays.timer.length >= 2 && delays.sync.length >= 2
    if (isEnough) lag.stop()
  })
  const running = lag.run()
  const held = clockMillis()
  while (clockMillis() < held + HELD_MILLIS) {} // the event loop does not come round
  await running
  for (const { from, until } of [...delays.timer, ...delays.sync]) {
    assert.ok(begun <= from && from <= until && until <= clockMillis())
  }
  const [first] = delays.timer
  assert.ok(first.until - first.from >= HELD_MILLIS / 2, 'the first timer was late')
})

test('a disk that cannot be synced is told of', async () => {
  const lag = new MachineLag('/proc/no-such-folder/synced', () => undefined)
  setTimeout(() => lag.stop(), 1)
  await assert.rejects(lag.run(), { code: 'ENOENT' })
})
