// Connects so many sockets to a port of this machine, and prints how many of them are connected:
// once all are, or after three seconds. Usage: crowd.mjs PORT COUNT
import { connect } from 'node:net'

const [port, count] = process.argv.slice(2).map(Number)
const patienceMillis = 3000
let connected = 0

function report() {
  process.stdout.write(String(connected), () => process.exit())
}

for (let at = 0; at < count; at += 1) {
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('error', () => undefined)
  socket.once('connect', () => {
    connected += 1
    if (connected === count) report()
  })
}
setTimeout(report, patienceMillis)
