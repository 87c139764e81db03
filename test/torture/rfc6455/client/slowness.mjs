// What drips or does not come at all. A client does not wait for ever: for the welcome 10 s, and
// for a sign of life twice as long as it has been told. Time goes faster here.
import { answer, binary, fillerOf, more, pong } from './frames.mjs'

const again = (name, rule, more) => ({ name, rule, fate: 'again', says: /./, ...more })
const QUICK = { speed: 40, isWhole: true }
const IMPATIENT = { silenceMillis: 100, isWhole: true }
const drip = (bytes, millis, count) =>
  Array.from({ length: count }, (_, at) => [bytes.subarray(at, at + 1), millis]).flat()
const long = Buffer.from(`HTTP/1.1 101 ${'a'.repeat(100)}`)
const rest = binary(fillerOf(5000))

export const title = 'what is slow'
export const cases = [
  again('a head that drips', '4.1', { ...QUICK, head: drip(long, 20, 60), open: [] }),
  again('no answer to the handshake', '4.1', { ...QUICK, head: [], open: [] }),
  again('no welcome', '4.1', { ...QUICK, open: [] }),
  again('a welcome that drips', '5.2', { ...QUICK, open: drip(binary(fillerOf(400)), 20, 60) }),
  again('a message before the welcome, and no welcome', '5.2', {
    ...{ ...QUICK, open: [binary(fillerOf(300))] },
  }),
  again('nothing, and no pong', '5.5.2', {
    ...IMPATIENT,
    send: [],
    says: /nothing came/,
  }),
  again('a message that drips, and no pong', '5.5.2', {
    ...{ ...IMPATIENT, send: drip(rest, 20, 60), says: /nothing came/ },
  }),
  {
    ...{ name: 'fragments, and pongs between them', rule: '5.5.3', ...IMPATIENT },
    ...{ silenceMillis: 400, fate: 'lives' },
    send: [
      binary(fillerOf(400).subarray(0, 100), { fin: false }),
      ...[['ping', 1], pong(), ['ping', 2], pong(), ['ping', 3], pong()],
      Buffer.concat([more(fillerOf(400).subarray(100)), binary(answer(1))]),
    ],
  },
]
