// Where the broker does something else than the RFC asks for, and why that is accepted. All of
// them are decisions of uWebSockets.js, or over TLS of Node, in code that nothing above it reaches; the
// cases pin them, so that another build of it cannot change them unnoticed.
//
// `level` says whether the RFC says MUST or SHOULD; `rfc` what it asks for; `instead` what is done.

export const deviations = {
  noCloseFrame: {
    level: 'SHOULD',
    rfc: '7.1.7: a close frame with 1002, 1007 or 1009 before the connection ends',
    instead: 'it ends without one, and clients see 1006, which tells them as much: do not trust it',
  },
  unmasked: {
    level: 'MUST',
    rfc: '5.1: a frame without a mask ends the connection',
    instead:
      'the bit is not looked at, the first four bytes of the payload are taken for the mask; ' +
      'masks protect proxies from clients, and the broker loses nothing without them',
  },
  longLength: {
    level: 'MUST',
    rfc: '5.2: a length is written in the fewest bytes',
    instead: 'longer forms are read; they mean the same, and the same limits hold',
  },
  joined: {
    level: 'MUST',
    rfc: '5.4: no other message begins within one that is in fragments',
    instead: 'it is joined to what came before, and the whole is then no request: 4500',
  },
  codeNotEchoed: {
    level: 'SHOULD',
    rfc: '5.5.1: a close is typically answered with its code',
    instead: 'codes that were registered later, and those of libraries, get an empty close',
  },
  badCloseEmptied: {
    level: 'SHOULD',
    rfc: '7.4, 8.1: a close that is wrong itself is answered with 1002 or 1007',
    instead: 'it gets an empty close; the connection ends all the same',
  },
  droppedWithHandshake: {
    level: 'MUST',
    rfc: '4.1: a client waits for the answer to its handshake (its own mistake)',
    instead: 'what came in the same packet is dropped',
  },
  brokenFirstLine: {
    level: 'MUST',
    rfc: '4.2, RFC 9112 2.2: the bytes of a request may come in any pieces',
    instead:
      'one whose first line comes in pieces, behind its method, gets 505 ' +
      '(uNetworking/uWebSockets#1776); clients send it in one',
  },
  swallowedHead: {
    level: 'MUST',
    rfc: 'RFC 9112 5: 400 for a header line that is none',
    instead: 'the request never counts as complete, and is cut at the deadline of headers (10 s)',
  },
  namelessHeader: {
    level: 'MUST',
    rfc: 'RFC 9112 5: 400 for a header without a name',
    instead: 'it and those behind it are not seen; one that is needed is then missing',
  },
  anyVersion: {
    level: 'MUST',
    rfc: '4.2.1: a request of HTTP/1.1 or higher',
    instead: 'over TLS the version of HTTP is not looked at; what is upgraded speaks WebSocket',
  },
  tabsKept: {
    level: 'MUST',
    rfc: 'RFC 9112 5: spaces and tabs around the value of a header are no part of it',
    instead: 'over TLS tabs are, and such a handshake gets 426; clients send none',
  },
  maskOfZeros: {
    level: 'MUST',
    rfc: '5.3: the mask of each frame is drawn anew',
    instead:
      'the client masks with zeros, so that bytes need not be copied; masks keep scripts of foreign ' +
      'pages from sending bytes of their choosing to a proxy, and a program can do that anyway',
  },
}
