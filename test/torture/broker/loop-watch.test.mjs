import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { judgeLateness, LoopWatch } from './loop-watch.mjs'
import { atMostTwice } from './resources.mjs'

test('a broker is late by what an idle loop is not', () => {
  judgeLateness('full', { late: 90, idle: 40 })
  assert.throws(() => judgeLateness('full', { late: 91, idle: 40 }), /late by 91\.0 ms/)
  judgeLateness('ci', { late: 91, idle: 40 })
})

test('twice as long is let pass, and what no clock tells apart', () => {
  assert.ok(atMostTwice(10, 5))
  assert.ok(atMostTwice(1, 0))
  assert.ok(!atMostTwice(11.1, 5))
})

test('what is told at the end is what the metrics have', async () => {
  const line = 'millrace_event_loop_delay_seconds{quantile="0.999"} 12.5\n'
  const server = createServer((_, answer) => answer.end(line))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const undo = []
  const watch = new LoopWatch({ cleanup: (it) => undo.push(it) }, server.address().port)
  const { late, idle } = await watch.finish()
  assert.equal(late, 12_500)
  assert.ok(idle >= 0 && idle < late)
  assert.equal(undo.length, 1)
  server.close()
  server.closeAllConnections()
})
