// Asks a broker from where it is started, as its one argument says, and prints what came of it:
// { url, ca, get: [path, headers] }: [status, text] of a page;
// { url, ca, open: [[localAddress, headers], ...] }: the status of each of so many connections that
// are then open at once, 101 for one that was let in.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'

const { url, ca, get, open } = JSON.parse(process.argv[2])
const { hostname, port } = new URL(url)
const target = { host: hostname, port, ca: readFileSync(ca), servername: '' }
const upgrade = {
  connection: 'upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  'sec-websocket-protocol': 'millrace.v1',
}

async function page([path, headers]) {
  const asked = request({ ...target, path, headers })
  asked.end()
  const [answer] = await once(asked, 'response')
  return [answer.statusCode, await text(answer)]
}

async function connection([localAddress, headers]) {
  const asked = request({
    ...target,
    localAddress,
    agent: false,
    headers: { ...upgrade, ...headers },
  })
  asked.end()
  const answers = ['response', 'upgrade'].map((it) => once(asked, it))
  const [answer] = await Promise.race(answers)
  return answer.statusCode
}

const told = []
if (get !== undefined) told.push(...(await page(get)))
for (const one of open ?? []) told.push(await connection(one))
process.stdout.write(JSON.stringify(told), () => process.exit())
