/** `bench put`: records go in; then all of them are read back. */

import { type BenchFigures, type BenchRun, MeasuredPart } from './bench-run.ts'
import { named, putFigures } from './figures.ts'
import { PutLoad, producerSender } from './put-load.ts'
import { endOf, readBack } from './readers.ts'

export async function benchPut(run: BenchRun): Promise<BenchFigures> {
  const { client, stream, plan } = run
  const from = await endOf(client, stream)
  const load = new PutLoad(run, producerSender(run))
  const part = new MeasuredPart(() => load.acknowledged, run)
  const { latency } = load
  const counts = { put: () => load.acknowledged }
  run.show({ counts, recordBytes: plan.recordBytes, latency: latencyOf(run, load) })
  const measured = await load.run(part)
  run.show(undefined)
  const check = await readBack(run, from, load)
  return {
    measured,
    percentiles: named({ 'put to acknowledgement': latency.percentiles() }),
    reports: [check.report(load.taken, load.refused)],
    ...putFigures(load),
  }
}

/** For the live line: where there is no timetable there are no times. */
function latencyOf({ plan }: BenchRun, load: PutLoad): PutLoad['latency'] | undefined {
  return plan.rate === undefined ? undefined : load.latency
}
