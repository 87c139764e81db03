// RFC 6455 case by case: against a broker, over plain sockets (rfc6455/cases.mjs), and against our
// client for Node, by a server of plain sockets (rfc6455/client/cases.mjs). Where one does something
// else than the RFC asks for, the case says so, and the report counts it apart.
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'
import { cases } from '../rfc6455/cases.mjs'
import { cases as clientCases } from '../rfc6455/client/cases.mjs'
import { runCase } from '../rfc6455/driver.mjs'
import { countsOf, deviationsOf, runRounds } from '../rfc6455/rounds.mjs'

async function runBroker(context) {
  const { directory, random } = context
  const port = await freePort(random)
  const broker = new BrokerProcess(directory, port)
  context.cleanup(() => broker.kill())
  await broker.ready()
  const rows = await runRounds(context, cases, (it, cut) => runCase(port, it, cut))
  const status = await broker.stop()
  const { complaints } = broker
  if (complaints.length > 0) throw new TortureFailure(complaints.join('\n'))
  if (status !== 0) throw new TortureFailure(`the broker ended with ${status}`)
  return { trials: rows.length, ...deviationsOf(cases), details: { rows } }
}

async function runClient(context) {
  // The package is only there where it was built.
  const { runCase: runClientCase } = await import('../rfc6455/client/driver.mjs')
  const uncaught = []
  const note = (error) => uncaught.push(`uncaught: ${error?.stack ?? error}`)
  const events = ['uncaughtException', 'unhandledRejection']
  for (const event of events) process.on(event, note)
  context.cleanup(() => {
    for (const event of events) process.off(event, note)
  })
  const rows = await runRounds(context, clientCases, runClientCase)
  if (uncaught.length > 0) throw new TortureFailure(uncaught.join('\n'))
  return { trials: rows.length, ...deviationsOf(clientCases), details: { rows } }
}

export const tests = [
  {
    id: 'T-F3',
    title: 'RFC 6455, case by case, the broker',
    unit: 'cases',
    counts: countsOf(cases),
    skip: needBuild,
    run: runBroker,
  },
  {
    id: 'T-F3c',
    title: 'RFC 6455, case by case, the client for Node',
    unit: 'cases',
    counts: countsOf(clientCases),
    skip: needBuild,
    run: runClient,
  },
]
