// The cases of the broker on a port that speaks TLS, which Node and the package `ws` serve: they do
// what the RFC asks for in most cases where uWebSockets.js does not, and are pinned as well.
import { cases } from './cases.mjs'

const refused = (status) => ({ expect: [String(status), 'end'] })
// Node ends with its answer: what comes behind it would reset the connection, and the answer be lost.
const unreadable = { ...refused(400), isWhole: true }
const open = { expect: ['101', 'welcome'], probe: 'request' }

// What is none of the rules below, by number. Where no other name is given there is no deviation.
const ONES = {
  1.11: { ...refused(426), deviation: 'tabsKept' },
  1.21: { expect: ['101', 'welcome', 'answer 1'] },
  1.26: open,
  2.4: refused(405),
  2.5: { expect: ['end'] },
  2.6: unreadable,
  2.7: { ...open, deviation: 'anyVersion' },
  2.8: { ...open, deviation: 'anyVersion' },
  2.9: { ...open, deviation: 'anyVersion' },
  '2.10': unreadable,
  '2.40': unreadable,
  2.41: unreadable,
  2.42: unreadable,
  2.43: unreadable,
  2.44: unreadable,
  2.45: unreadable,
  2.52: unreadable,
  2.53: unreadable,
  3.37: { expect: ['close 1002', 'end'] },
  // The client answers the close.
  '6.50': {},
  9.15: { expect: ['close 1009', 'end'] },
}

const codeInName = ({ name }) => name.replace('code ', '')
const isOfText = ({ number }) => number.startsWith('7.') || /^6\.3[678]$/.test(number)
const isTooLarge = ({ number }) => number.startsWith('9.') || /^3\.4[23]$/.test(number)

// The code of the close frame with which a frame that is wrong is answered.
function codeOf(it) {
  if (isOfText(it)) return 1007
  return isTooLarge(it) ? 1009 : 1002
}

// What is done where uWebSockets.js deviates.
const INSTEAD = {
  noCloseFrame: (it) => [...it.expect.slice(0, -1), `close ${codeOf(it)}`, 'end'],
  badCloseEmptied: (it) => [`close ${codeOf(it)}`, 'end'],
  codeNotEchoed: (it) => [`close ${codeInName(it)}`, 'end'],
  unmasked: () => ['close 1002', 'end'],
  joined: () => ['close 1002', 'end'],
}

const isRefused = ({ expect }) => expect.length === 1 && /^4\d\d$/.test(expect[0])
const isClosedByBroker = ({ expect }) => / [A-Z_]+: /.test(expect.at(-2)) && expect.at(-1) === 'end'

function overTls(it) {
  const one = ONES[it.number]
  if (one !== undefined) return { ...it, deviation: undefined, ...one }
  const instead = INSTEAD[it.deviation]
  if (instead !== undefined) return { ...it, deviation: undefined, expect: instead(it) }
  // Each answer over HTTP ends the connection.
  if (isRefused(it)) return { ...it, expect: [...it.expect, 'end'] }
  // For the answer to its close frame it waits for longer than the case does.
  if (isClosedByBroker(it)) return { ...it, expect: it.expect.slice(0, -1), probe: 'silence' }
  return it
}

export const tlsCases = cases.map(overTls)
