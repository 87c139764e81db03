/**
 * Clients that are gone without a word: a process that hangs, and a machine of which nothing comes
 * any more. `MILLRACE_SILENCE=default` leaves the times as they are shipped: a minute.
 */

import { once } from 'node:events'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { lastingPort, serve, startCli, Transcript, temporaryDirectory } from './cli-process.ts'
import { Machine, whyNoNamespace } from './two-machines.ts'

const reason = whyNoNamespace()
if (reason !== undefined) console.log(`not tested: a machine that is cut off: ${reason}`)

const soon = ['--server-ping-millis', '1000', '--server-silence-millis-max', '6000']
const silence = process.env['MILLRACE_SILENCE'] === 'default' ? [] : soon
const cutMillisMax = 90_000

/** Where a client is, how it goes, and how it comes back. */
interface Place {
  readonly listen: readonly string[]
  readonly ofBroker: readonly string[]
  readonly ofClient: readonly string[]
  leave(pid: number): void
  comeBack(pid: number): void
}

/** A client that hangs: its system takes what comes, and answers no ping. */
async function hanging(): Promise<Place> {
  return {
    listen: ['--listen', `127.0.0.1:${await lastingPort()}`],
    ofBroker: [],
    ofClient: [],
    leave: (pid) => process.kill(pid, 'SIGSTOP'),
    comeBack: (pid) => process.kill(pid, 'SIGCONT'),
  }
}

/** A client on a machine whose cable is pulled. */
async function cutOff(): Promise<Place> {
  const [here, there] = await Machine.pair(['10.99.0.1', '10.99.0.2'])
  onTestFinished(async () => {
    await here.end()
    await there.end()
  })
  return {
    listen: ['--listen', '10.99.0.1:4570', '--insecure-no-auth', '--insecure-no-tls'],
    ofBroker: here.inside,
    ofClient: there.inside,
    leave: () => there.plug('down'),
    comeBack: () => there.plug('up'),
  }
}

async function isCutAndResumes(place: Place): Promise<void> {
  const { listen, ofBroker, ofClient } = place
  const data = ['--data', join(temporaryDirectory(), 'data'), '--create', 'orders:1']
  const args = [...data, ...listen, ...silence]
  const served = await serve(args, { inside: ofBroker })
  const to = ['orders', '--url', served.url]
  // It says nothing for as long as the other one, but answers.
  const bystander = startCli(['put', ...to, '--key', 'a'], { inside: ofBroker })
  const tail = startCli(['tail', ...to, '--from', 'oldest', '--raw'], { inside: ofClient })
  const said = new Transcript(tail.stdout as NodeJS.ReadableStream)
  const put = (line: string) => bystander.stdin?.write(`${line}\n`)
  put('1')
  await said.until((text) => text === '1\n')

  place.leave(tail.pid as number)
  const cut = () => served.stderr.lines().filter((it) => it.includes('"a connection was cut"'))
  await expect.poll(cut, { timeout: cutMillisMax }).toHaveLength(1)
  expect(JSON.parse(cut()[0] as string)).toMatchObject({ code: 4410 })
  expect(said.text).toBe('1\n')
  put('2')
  put('3')

  place.comeBack(tail.pid as number)
  await said.until((text) => text.includes('3'))
  put('4')
  await said.until((text) => text.includes('4'))
  expect(said.text).toBe('1\n2\n3\n4\n')
  // Nor was the one that answers ever cut.
  expect(cut()).toHaveLength(1)
  const ended = once(tail, 'close')
  tail.kill('SIGINT')
  await ended
  expect(tail.exitCode).toBe(0)
  expect(await served.stop()).toBe(0)
}

it('a client that is gone without a word is cut with 4410, and goes on where it was', async () => {
  const places = [hanging, ...(reason === undefined ? [cutOff] : [])]
  await Promise.all(places.map(async (begin) => await isCutAndResumes(await begin())))
})
