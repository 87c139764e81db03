import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundOf, formatCount, formatPercent, formatSeconds, passText } from './bound.mjs'
import { Report } from './report.mjs'

const TEST = { id: 'T-X', title: 'an example', unit: 'kills' }

function capture(isTty) {
  const state = { text: '', now: 0 }
  const out = { write: (text) => (state.text += text) }
  state.report = new Report({ out, isTty, now: () => state.now })
  return state
}

test('the bound is the rule of three', () => {
  assert.equal(boundOf(10_000), 0.0003)
  assert.equal(passText(10_000, 'kills'), '10,000 kills, 0 failed (< 0.03 % each, at 95 %)')
  assert.equal(passText(3, 'runs'), '3 runs, 0 failed')
})

test('numbers are written for people', () => {
  assert.equal(formatCount(1234567), '1,234,567')
  assert.equal(formatPercent(0.0000003), '0.00003 %')
  assert.equal(formatPercent(0.015), '1.5 %')
  assert.equal(formatPercent(0.6), '60 %')
  assert.equal(formatSeconds(61_400), '1 min 1 s')
})

test('progress shows after a second, and is rewritten on a terminal', () => {
  const state = capture(true)
  state.report.start(TEST)
  state.now = 900
  state.report.progress(1, 100)
  assert.equal(state.text, '')
  state.now = 1100
  state.report.progress(10, 100, 'ext4')
  assert.match(state.text, /^\r.*T-X +10 of 100 kills, 1\.1 s, ext4$/)
  state.report.finish({ ...TEST, outcome: 'PASS', trials: 100, millis: 1200 })
  assert.ok(state.text.includes('\r\x1b[KPASS    T-X    an example: 100 kills, 0 failed'))
  assert.match(state.text, /, 1\.2 s\n$/)
})

test('progress is sparse where lines stay', () => {
  const state = capture(false)
  state.report.start(TEST)
  for (state.now = 0; state.now < 60_000; state.now += 100) state.report.progress(1, 100)
  assert.equal(state.text.split('\n').length - 1, 4)
  assert.ok(!state.text.includes('\r'))
})

test('what a test has to say more stands below it', () => {
  const state = capture(false)
  state.report.finish({ ...TEST, outcome: 'PASS', trials: 5, millis: 5, lines: ['one', 'two'] })
  assert.match(state.text, /PASS .*\n {8}one\n {8}two\n$/)
})

test('a failure tells how to repeat it and where its data are', () => {
  const state = capture(false)
  state.report.finish({
    ...TEST,
    outcome: 'FAIL',
    reason: 'lost: shard 1',
    replay: 'npm run torture -- T-X --seed 1',
    kept: '.torture/x',
    millis: 5,
  })
  assert.match(state.text, /FAIL +T-X.*lost: shard 1/)
  assert.match(state.text, /replay: npm run torture -- T-X --seed 1\n/)
  assert.match(state.text, /kept: +\.torture\/x\n/)
})

test('a skip says why and counts apart', () => {
  const state = capture(false)
  const skipped = { ...TEST, outcome: 'SKIPPED', reason: 'mounting needs root' }
  state.report.finish(skipped)
  state.report.summary([skipped, { outcome: 'PASS' }, { outcome: 'PASS' }, { outcome: 'FAIL' }])
  assert.match(state.text, /SKIPPED T-X +an example \(mounting needs root\)\n/)
  assert.match(state.text, /2 passed, 1 failed, 1 skipped\n$/)
})
