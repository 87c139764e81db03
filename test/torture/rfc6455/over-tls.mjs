// The cases of the broker on a port that speaks TLS, which Node and the package `ws` serve: they do
// what the RFC asks for in most cases where uWebSockets.js does not, and are pinned as well.
import { cases } from './cases.mjs'

const refused = (status) => ({ expect: [String(status), 'end'] })
// Node ends with its answer: what comes behind it would reset the connection, and the answer be lost.
const unreadable = { ...refused(400), isWhole: true }
const open = { expect: ['101', 'welcome'], probe: 'request' }

// What is none of the rules below, by name. Where no other name is given there is no deviation.
export const ONES = {
  'values among spaces and tabs': { ...refused(426), deviation: 'tabsKept' },
  'a message in the same packet': { expect: ['101', 'welcome', 'answer 1'] },
  'a pause within the first line': open,
  HEAD: refused(405),
  CONNECT: { expect: ['end'] },
  'a method that nobody knows': unreadable,
  'HTTP/1.0': { ...open, deviation: 'anyVersion' },
  'HTTP/2.0': { ...open, deviation: 'anyVersion' },
  'no version of HTTP': { ...open, deviation: 'anyVersion' },
  'the preface of HTTP/2': unreadable,
  'a header without a colon': unreadable,
  'a header without a name': unreadable,
  'a space before the colon': unreadable,
  'a folded header': unreadable,
  'a zero byte in a header': unreadable,
  'lines that end without CR': unreadable,
  'a greeting of TLS': unreadable,
  'frames before any handshake': unreadable,
  'a mask without the bit that says so': { expect: ['close 1002', 'end'] },
  // The client answers the close.
  'that of the broker, answered': {},
  'a claim of all, behind a fragment': { expect: ['close 1009', 'end'] },
}

const codeInName = ({ name }) => name.replace('code ', '')
const isOfText = ({ number, name }) => number.startsWith('7.') || name.startsWith('a reason ')
const isTooLarge = ({ number, name }) =>
  number.startsWith('9.') || name.startsWith('a length of 2^')

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
  const one = ONES[it.name]
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
