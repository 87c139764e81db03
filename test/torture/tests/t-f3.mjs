// RFC 6455 case by case: against a broker, over plain sockets (rfc6455/cases.mjs), and against our
// client for Node, by a server of plain sockets (rfc6455/client/cases.mjs). Where one does something
// else than the RFC asks for, the case says so, and the report counts it apart.
import { join } from 'node:path'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { makeCertificate } from '../broker/certificate.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { firstReason, needBuild, needTool } from '../lib/machine.mjs'
import { cases } from '../rfc6455/cases.mjs'
import { cases as clientCases } from '../rfc6455/client/cases.mjs'
import { encrypted, plain, runCase } from '../rfc6455/driver.mjs'
import { tlsCases } from '../rfc6455/over-tls.mjs'
import { countsOf, deviationsOf, ROUNDS, runRounds } from '../rfc6455/rounds.mjs'

// Of a change: what stands above TLS is the same, and the other port shows it.
const TLS_SHARE = tlsCases.filter((_, index) => index % 10 === 0)

// `dialOf` answers how a socket to a port is opened; `more` are options of `serve`.
async function runServed(context, wanted, dialOf, more = []) {
  const { directory, random } = context
  const port = await freePort(random)
  const broker = new BrokerProcess(join(directory, 'data'), port, { more })
  context.cleanup(() => broker.kill())
  await broker.ready()
  const dial = dialOf(port)
  const rows = await runRounds(context, wanted, (it, cut) => runCase(dial, it, cut))
  const status = await broker.stop()
  const { complaints } = broker
  if (complaints.length > 0) throw new TortureFailure(complaints.join('\n'))
  if (status !== 0) throw new TortureFailure(`the broker ended with ${status}`)
  return { trials: rows.length, ...deviationsOf(wanted), details: { rows } }
}

const runBroker = (context) => runServed(context, cases, plain)

async function runTls(context) {
  const { more, certificate } = makeCertificate(context.directory)
  const wanted = context.tier === 'full' ? tlsCases : TLS_SHARE
  return await runServed(context, wanted, (port) => encrypted(port, certificate), more)
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
    id: 'T-F3t',
    title: 'RFC 6455, case by case, the broker over TLS',
    unit: 'cases',
    counts: { ci: TLS_SHARE.length, full: tlsCases.length * ROUNDS.length },
    skip: () => firstReason(needBuild(), needTool('openssl')),
    run: runTls,
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
