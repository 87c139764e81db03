import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { brokerCpuSeconds, cpuSecondsIn } from '../../../../src/cli/bench/broker-cpu.ts'

it.each([
  ['# HELP x\nprocess_cpu_seconds_total 12.5\nother 3\n', 12.5],
  ['process_cpu_user_seconds_total 12.5\n', undefined],
  ['process_cpu_seconds_total NaN\n', undefined],
])('of the metrics %j', (metrics, seconds) => {
  expect(cpuSecondsIn(metrics)).toBe(seconds)
})

/** A server whose metrics take a token. */
async function server(): Promise<string> {
  const http = createServer((request, answer) => {
    const may = request.url === '/metrics' && request.headers.authorization === 'Bearer secret'
    answer.statusCode = may ? 200 : 401
    answer.end('process_cpu_seconds_total 3\n')
  }).listen(0, '127.0.0.1')
  onTestFinished(() => {
    http.close()
  })
  await once(http, 'listening')
  return `ws://127.0.0.1:${(http.address() as AddressInfo).port}`
}

it('are asked for with the token of the command', async () => {
  const url = await server()
  expect(await brokerCpuSeconds(url, 'secret')).toBe(3)
  expect(await brokerCpuSeconds(url, async () => 'secret')).toBe(3)
})

it('are unknown where the broker does not tell, or is none', async () => {
  const url = await server()
  expect(await brokerCpuSeconds(url, undefined)).toBeUndefined()
  expect(await brokerCpuSeconds(url, 'other')).toBeUndefined()
  expect(await brokerCpuSeconds('ws://127.0.0.1:1', undefined)).toBeUndefined()
})
