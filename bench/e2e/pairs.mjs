// The pairs of I2: what limits and metrics, encryption, permissions and rates, and TLS cost its ingest.
import { spawnSync } from 'node:child_process'
import { pick, printReport } from '../micro/harness.mjs'
import { keyId, measurePairs } from './pair.mjs'
import { runNodeLoad } from './servers.mjs'

const scrapeMillis = pick(
  { first: 100, next: 1000 },
  { first: 20, next: 1000 },
  { first: 0, next: 5 },
)

/** Asks for the metrics as Prometheus does, but more often: in each turn at least once. */
function scraping(broker) {
  const asked = []
  // One that fails ends the turn, once the load is over.
  const ask = () => asked.push(scrape(broker.port).catch((error) => error))
  const first = setTimeout(ask, scrapeMillis.first)
  const others = setInterval(ask, scrapeMillis.next)
  return async () => {
    clearTimeout(first)
    clearInterval(others)
    const failed = (await Promise.all(asked)).find((it) => it !== undefined)
    if (failed !== undefined) throw failed
  }
}

async function scrape(port) {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
  const text = await answer.text()
  if (!text.includes('millrace_shard_append_records_total{')) {
    throw new Error('no metrics of shards')
  }
}

/** What is compared with the load alone: each entry is a row. `turnOfBroker` says what it may have. */
const variants = [
  { name: 'the same twice' },
  {
    name: 'limits and metrics of shards',
    streamMode: 'PROVISIONED',
    prepare: (control, stream) => control.monitor(stream),
    meanwhile: scraping,
  },
  { name: 'encrypted', prepare: (control, stream) => control.encrypt(stream, keyId) },
  {
    name: 'with permissions and rates',
    client: async (broker) => {
      broker.asking ??= await broker.ask({ do: 'askWho' })
      return broker.asking
    },
  },
]

/** Both sides come from a generator in Node: the native one speaks no TLS. */
const fromNode = { generate: runNodeLoad }
const overTls = {
  name: 'over TLS, generator in Node',
  without: 'the same without TLS',
  both: fromNode,
  ...fromNode,
  client: async (broker) => {
    broker.secret ??= await broker.ask({ do: 'speakTls' })
    return broker.secret
  },
}

const hasOpenssl = spawnSync('openssl', ['version']).status === 0
await measurePairs(hasOpenssl ? [...variants, overTls] : variants)
printReport(
  hasOpenssl ? {} : { skipped: 'TLS: openssl is not installed (Debian: apt-get install openssl)' },
)
