// The ceiling: what uWebSockets.js does with the same frames when nobody looks at them. Each is
// answered with a message of the size of a small answer of the broker. Prints its port as JSON.
// biome-ignore lint/style/noRestrictedImports: the ceiling is uWebSockets without a broker around it
import uWS from 'uWebSockets.js'

const payloadBytesMax = 16 * 1024 * 1024
const ack = new Uint8Array(16)

const app = uWS.App()
app.ws('/*', {
  maxPayloadLength: payloadBytesMax,
  maxBackpressure: payloadBytesMax,
  idleTimeout: 0,
  message(socket) {
    socket.send(ack, true)
  },
})
app.listen('127.0.0.1', 0, uWS.LIBUS_LISTEN_EXCLUSIVE_PORT, (listener) => {
  if (!listener) throw new Error('the raw server cannot listen on 127.0.0.1')
  process.stdout.write(`${JSON.stringify({ port: uWS.us_socket_local_port(listener) })}\n`)
})
process.stdin.resume().once('end', () => process.exit())
