/** Runs one bench: finds its broker and its stream, runs the load, and tells what came of it. */

import { randomBytes } from 'node:crypto'
import type { Client } from '../../client/client.ts'
import { connect } from '../../client/node.ts'
import { readClientTls } from '../client-tls.ts'
import { clientToken } from '../client-token.ts'
import type { Invocation } from '../context.ts'
import { type BenchBroker, withOwnBroker } from './bench-broker.ts'
import { BenchRecords } from './bench-records.ts'
import { rowLines, rowOf } from './bench-row.ts'
import type { BenchFigures, BenchRun } from './bench-run.ts'
import { brokerCpuSeconds } from './broker-cpu.ts'
import { compare, comparisonLines, type EarlierRow, readRows } from './compare.ts'
import { benchGet } from './get-bench.ts'
import { LiveLine } from './live-line.ts'
import { machineFacts, machineText } from './machine-facts.ts'
import { type BenchKind, type BenchPlan, loadLines } from './plan.ts'
import { benchE2e, benchSub } from './push-bench.ts'
import { benchPut } from './put-bench.ts'
import { checkVerdict } from './verdict.ts'

const kinds: Readonly<Record<BenchKind, (run: BenchRun) => Promise<BenchFigures>>> = {
  put: benchPut,
  get: benchGet,
  sub: benchSub,
  e2e: benchE2e,
}

/** Throws a CliError, VERIFICATION_FAILED, where records were lost, doubled or altered. */
export async function runBench(plan: BenchPlan, invocation: Invocation): Promise<void> {
  const { options } = invocation
  const path = options['compare'] as string | undefined
  const earlier = path === undefined ? undefined : readRows(path)
  const work = (broker: BenchBroker) => runAgainst(broker, plan, invocation, earlier)
  const { start } = options
  const url = urlOf(invocation)
  if (start === undefined && url !== undefined) return await work({ url, data: undefined })
  await withOwnBroker(typeof start === 'string' ? start : undefined, work)
}

/** Of the broker that was named; undefined where none was, for nobody wants a load by chance. */
function urlOf(invocation: Invocation): string | undefined {
  const { resolved, values } = invocation.config()
  const isNamed = resolved.some((it) => it.setting.path === 'url' && it.origin !== 'default')
  return isNamed ? values.url : undefined
}

async function runAgainst(
  { url, data }: BenchBroker,
  wanted: BenchPlan,
  invocation: Invocation,
  earlier: readonly EarlierRow[] | undefined,
): Promise<void> {
  const { output, signal } = invocation
  const facts = machineFacts()
  const live = new LiveLine(output)
  const clients: Client[] = []
  // One that was started for this run asks nobody.
  const isOwn = data !== undefined
  const token = isOwn ? undefined : clientToken(invocation)
  const config = invocation.config().values
  const tls = isOwn ? {} : readClientTls(config)
  const { insecurePlainToken } = config
  const open = async () => {
    const client = await connect(url, { signal, reconnect: false, token, tls, insecurePlainToken })
    clients.push(client)
    return client
  }
  try {
    const client = await open()
    await withStream(client, wanted, async (stream, plan) => {
      if (!output.json) {
        const started = data === undefined ? '' : `, started for this run, data in ${data}`
        output.line(`broker    ${url}${started}`)
        output.line(`machine   ${machineText(facts)}`)
        for (const line of loadLines(plan)) output.line(`load      ${line}`)
      }
      const figures = await kinds[plan.kind]({
        plan,
        client,
        connect: open,
        stream,
        records: new BenchRecords(plan),
        brokerCpuSeconds: () => brokerCpuSeconds(url, token, tls),
        show: (counters) => live.show(counters),
        signal,
      })
      tell(invocation, plan, figures, { facts, earlier })
    })
  } finally {
    live.show(undefined)
    await Promise.all(clients.map((it) => it.close()))
  }
}

interface Beside {
  readonly facts: ReturnType<typeof machineFacts>
  readonly earlier: readonly EarlierRow[] | undefined
}

function tell(
  { output }: Invocation,
  plan: BenchPlan,
  figures: BenchFigures,
  { facts, earlier }: Beside,
): void {
  checkVerdict(figures)
  const { refused, firstRefusal } = figures
  if (firstRefusal !== undefined) {
    output.warn(`${refused} records were refused and do not count: ${firstRefusal.message}`)
  }
  const row = rowOf(plan, figures, facts)
  const compared = earlier === undefined ? {} : { compared: compare(row, earlier) }
  output.show({ ...row, ...compared }, () => [
    ...rowLines(row),
    ...(earlier === undefined ? [] : comparisonLines(row, earlier)),
  ])
}

/** The stream that was named, which stays; else one of the run's own, which is deleted after it. */
async function withStream(
  client: Client,
  plan: BenchPlan,
  work: (stream: string, plan: BenchPlan) => Promise<void>,
): Promise<void> {
  if (plan.stream !== undefined) {
    const { openShardCount: shards } = await client.describeStreamSummary(plan.stream)
    return await work(plan.stream, { ...plan, shards })
  }
  const stream = `bench-${randomBytes(4).toString('hex')}`
  await client.createStream(stream, { shardCount: plan.shards })
  try {
    await work(stream, plan)
  } finally {
    if (client.state === 'open') await client.deleteStream(stream)
  }
}
