// Carries out one case against our client for Node: a server of its own, which says on the first
// connection what the case has, and what came of it.
import { setTimeout as wait } from 'node:timers/promises'
import { connectOver } from '../../../../dist/client/client.js'
import { systemClock } from '../../../../dist/client/clock.js'
import { nodeSockets } from '../../../../dist/client/node-socket.js'
import { binary, ping, upgraded, welcome } from './frames.mjs'
import { RawServer, SoundAnswers } from './raw-server.mjs'

const CONNECT_MILLIS_MAX = 3_600_000
const SETTLE_MILLIS_MAX = 15_000
const GONE_MILLIS_MAX = 5000
const SILENCE_MILLIS = 15_000
const PROBE = Buffer.from('probe')
const PROBE_PONG = `pong ${PROBE.toString('hex')}`
const LATE = Symbol('nothing became of it')

// The clock of a client for which time goes faster: it waits for as much less long.
const clockOf = (factor) => ({
  now: () => systemClock.now() * factor,
  after: (millis, action) => systemClock.after(millis / factor, action),
  random: () => systemClock.random(),
})

// Answers what was observed, and whether that is what the case expects: the events that the server
// saw on the first connection, and the fate of the client:
//   lives             it goes on with this connection
//   again             it has opened another one, and its request was answered there
//   fails CODE        its request was rejected with this, and it goes on with the connection
//   ends CODE         its request was rejected with this, and it has ended
// Of one that comes again a second client, which is told not to, has to tell why: `says`.
// `cut` cuts the bytes of the server.
export async function runCase(it, cut) {
  const seen = [...(it.wire ?? []), ...(it.masks ?? [])]
  const expected = [...seen, it.fate]
  const observed = await observe(it, cut, true)
  if (it.fate !== 'again') return outcome(expected, observed.events, it, observed.error)
  if (observed.events.join('\n') !== expected.join('\n')) return outcome(expected, observed.events)
  const once = await observe(it, cut, false)
  return outcome([...seen, 'ends CONNECTION_LOST'], once.events, it, once.error)
}

function outcome(expected, events, { says } = {}, error = undefined) {
  const isSaid = says === undefined || says.test(error?.message ?? '')
  const said = error === undefined ? '' : ` (${error.message})`
  return {
    isExpected: isSaid && events.join('\n') === expected.join('\n'),
    observed: `${events.join('; ')}${said}`,
  }
}

async function observe(it, cut, reconnect) {
  const { path = '/', speed = 1, silenceMillis = SILENCE_MILLIS } = it
  let script = Promise.resolve()
  const server = new RawServer(path, (connection) => {
    script = play(it, connection, cut)
  })
  await server.listen()
  const client = new Attempt(server.url, { reconnect, clock: clockOf(speed), silenceMillis })
  try {
    return await judge(it, server, client, () => script)
  } finally {
    await client.close()
    await server.stop()
  }
}

async function judge(it, server, client, script) {
  const result = await client.settled(it.acts)
  await script()
  const [first] = server.connections
  const fate = await fateOf(result, server, client)
  const done = /lives|fails/.test(fate)
    ? (events) => seen(events).length >= (it.wire ?? []).length
    : never
  await first.until(done, GONE_MILLIS_MAX)
  const events = [...seen(first.events), ...(it.masks === undefined ? [] : first.reader.masks)]
  await client.close()
  const isLeft = !(await server.areOver(GONE_MILLIS_MAX))
  return { events: [...events, fate, ...(isLeft ? ['a connection is left'] : [])], ...result }
}

const never = () => false

// Requests and pings are not counted: how many there are is up to time.
function seen(events) {
  return events.filter((it) => !/^(?:end|request|ping)\b/.test(it) && it !== PROBE_PONG)
}

async function fateOf({ error }, { connections }, client) {
  if (error === LATE) return 'nothing more'
  const isSame = connections.length === 1
  if (!isSame) return error === undefined ? 'again' : `again, but ${codeOf(error)}`
  const isOfUse = await probe(connections[0], client)
  if (error === undefined) return isOfUse ? 'lives' : 'dies'
  return `${isOfUse ? 'fails' : 'ends'} ${codeOf(error)}`
}

// Whether a ping is answered, and another request.
async function probe(connection, client) {
  new SoundAnswers(connection, { isOpen: true }).begin()
  await connection.write([ping(PROBE)])
  const { error } = await client.asked()
  if (error !== undefined) return false
  await connection.until((events) => events.includes(PROBE_PONG))
  return connection.events.includes(PROBE_PONG)
}

// What the server does on the first connection: the handshake, unless the case has another one,
// the welcome, and once it has been asked something what the case sends.
async function play({ head = [upgraded()], open = [binary(welcome)], ...it }, connection, cut) {
  connection.isHeld = it.isHeld === true
  await connection.until(() => connection.reader.asked !== undefined)
  const how = it.isWhole === true ? (bytes) => [bytes] : cut
  for (const step of head) await carryOut(connection, step, how)
  for (const step of open) await carryOut(connection, step, how)
  if (it.send === undefined) return
  await connection.until((events) => events.includes('request 1'))
  for (const step of it.send) await carryOut(connection, step, how)
}

// A step is bytes, or a function that makes them from the headers that were asked; milliseconds to
// wait; an event to wait for, or that and how often; or the end of this side.
async function carryOut(connection, step, cut) {
  if (step === 'finish') connection.finish()
  else if (Array.isArray(step))
    await connection.until((events) => countOf(events, step[0]) >= step[1])
  else if (step === 'reset') connection.reset()
  else if (typeof step === 'number') await wait(step)
  else if (typeof step === 'string') await connection.until((events) => events.includes(step))
  else if (typeof step === 'function') {
    await connection.write(cut(step(connection.reader.asked)))
  } else await connection.write(cut(step))
}

const countOf = (events, event) => events.filter((it) => it === event).length

// A client that connects and asks for the list of streams.
class Attempt {
  #client
  #first

  constructor(url, { reconnect, clock, silenceMillis }) {
    const options = { reconnect, connectTimeoutMillis: CONNECT_MILLIS_MAX }
    this.#client = connectOver(nodeSockets(silenceMillis), url, options, clock)
    this.#client.catch(() => undefined) // `asked` tells
    this.#first = this.asked()
  }

  // What becomes of a request: `error` is undefined where it is answered.
  asked() {
    const asked = this.#client.then((client) => client.listStreams())
    const late = wait(SETTLE_MILLIS_MAX, { error: LATE }, { ref: false })
    const outcome = asked.then(
      () => ({}),
      (error) => ({ error }),
    )
    return Promise.race([outcome, late])
  }

  // Of the first one; `acts` is what the user of the client does meanwhile.
  async settled(acts) {
    if (acts !== undefined) await acts(await this.#client)
    return this.#first
  }

  async close() {
    // Where there is none there is nothing to be closed.
    const client = await this.#client.catch(() => undefined)
    await client?.close()
  }
}

function codeOf(error) {
  return error.code ?? `${error.name}: ${error.message}`
}
