// A page that shows a stream live. It goes on by itself when the broker was away, and where it was
// when it is loaded again.

import { connect } from 'millrace/client'

const query = new URLSearchParams(location.search)
const url = query.get('url') ?? 'ws://127.0.0.1:4570'
const stream = query.get('stream') ?? 'orders'
const rowsMax = 500
const retryMillis = 1000
const away = 'The broker is away. The page goes on where it was as soon as it is back.'

const element = (id) => document.getElementById(id)
const decoder = new TextDecoder()
const count = new Intl.NumberFormat('en')
const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })

// What has come and is not drawn yet: a page draws at most once a frame, however much comes.
let waiting = []
let records = 0
let bytes = 0
let missing = 0
let isPaused = false
let resume = () => {}
const shards = new Map()

function row(batch, { sequenceNumber, partitionKey, data, arrivalMillis }) {
  const time = `${clock.format(arrivalMillis)}.${String(arrivalMillis % 1000).padStart(3, '0')}`
  const cells = [time, `${shardText(batch.shardId)} @ ${sequenceNumber}`, partitionKey ?? '']
  return { cells: [...cells, decoder.decode(data)], key: `${batch.shardId}@${sequenceNumber}` }
}

function shardText(shardId) {
  return String(Number(shardId.slice(shardId.indexOf('-') + 1)))
}

// The numbers of a shard have no holes: where one is left out, a record has not come.
function take(batch) {
  const { shardId, firstSequenceNumber, recordCount } = batch
  if (recordCount === 0) return
  missing += Number(firstSequenceNumber - (shards.get(shardId) ?? firstSequenceNumber))
  shards.set(shardId, firstSequenceNumber + BigInt(recordCount))
  records += recordCount
  bytes += batch.bytes.length
  for (const record of batch) waiting.push(row(batch, record))
}

function draw() {
  const rows = waiting.slice(-rowsMax)
  waiting = []
  const drawn = document.createDocumentFragment()
  for (const { cells, key } of rows.reverse()) {
    const line = document.createElement('tr')
    line.className = 'fresh'
    line.dataset.record = key
    for (const text of cells) {
      const cell = document.createElement('td')
      cell.textContent = text
      cell.title = text
      line.append(cell)
    }
    drawn.append(line)
  }
  const feed = element('feed')
  feed.prepend(drawn)
  while (feed.childElementCount > rowsMax) feed.lastElementChild.remove()
  element('records').textContent = count.format(records)
  element('missing').textContent = missing === 0 ? 'none' : count.format(missing)
  element('bytes').textContent = sizeText(bytes)
  element('shards').replaceChildren(
    ...[...shards].map(([shardId, next]) => {
      const label = document.createElement('span')
      const place = document.createElement('b')
      place.textContent = count.format(next)
      label.append(`shard ${shardText(shardId)} next `, place)
      return label
    }),
  )
}

function sizeText(size) {
  const units = ['B', 'KiB', 'MiB', 'GiB']
  let unit = 0
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit += 1
  }
  return `${size.toFixed(unit === 0 || size >= 100 ? 0 : 1)} ${units[unit]}`
}

function behindText(millis) {
  return millis < 1000 ? `${millis} ms` : `${(millis / 1000).toFixed(1)} s`
}

function show(state) {
  const badge = element('state')
  badge.dataset.state = state
  badge.textContent = state.replace('-', ' ')
}

function notice(text) {
  element('notice').textContent = text
}

// While the loop does not ask for more the broker sends no more: the rest stays in its log.
async function untilResumed() {
  if (!isPaused) return
  await new Promise((resolve) => {
    resume = resolve
  })
}

async function read(client) {
  const saved = sessionStorage.getItem(stream)
  const subscription = client.subscribe(stream, { from: saved ?? query.get('from') ?? 'latest' })
  const showState = () => {
    const isAway = client.state !== 'open'
    show(isAway ? client.state : subscription.state)
    if (client.state === 'reconnecting') notice(away)
    else if (element('notice').textContent === away) notice('')
    if (isAway) element('behind').textContent = '–'
    else if (subscription.state === 'live') element('behind').textContent = behindText(0)
  }
  client.on('state', showState)
  subscription.on('state', showState)
  subscription.on('gap', ({ shardId, lostFrom, firstAvailable }) => {
    const until = firstAvailable === undefined ? 'its end' : firstAvailable
    notice(`Records ${lostFrom} up to ${until} of shard ${shardText(shardId)} are gone.`)
  })
  await subscription.ready()
  notice('')
  showState()
  for await (const batch of subscription) {
    if (waiting.length === 0) requestAnimationFrame(draw)
    take(batch)
    element('behind').textContent = behindText(batch.millisBehindLatest)
    sessionStorage.setItem(stream, batch.resumeToken)
    await untilResumed()
  }
}

async function run() {
  const client = await connect(url)
  try {
    await read(client)
  } finally {
    await client.close()
  }
}

element('stream').textContent = stream
element('hint').textContent = `npx millrace put ${stream} --key customer-7 hello`
element('pause').addEventListener('click', ({ target }) => {
  isPaused = !isPaused
  target.textContent = isPaused ? 'Resume' : 'Pause'
  resume()
})

let before = 0
setInterval(() => {
  element('rate').textContent = count.format(records - before)
  before = records
}, 1000)

for (;;) {
  try {
    await run()
    notice('The stream is closed: there is nothing more to come.')
    break
  } catch (error) {
    show('connecting')
    notice(`${error.message} – trying again`)
    // A place that the broker does not know is of no use.
    if (error.code === 'SEQUENCE_NUMBER_IN_FUTURE') sessionStorage.removeItem(stream)
    await new Promise((resolve) => setTimeout(resolve, retryMillis))
  }
}
