// Answers to the opening handshake that are right (RFC 6455 4.1, 4.2.2; RFC 9112 for HTTP). What
// the client asks is checked on every connection.
import { answer, binary, upgraded, welcome } from './frames.mjs'

const lives = (name, rule, head, more = {}) => ({
  ...{ name, rule, head: [head].flat(), send: [binary(answer(1))], fate: 'lives' },
  ...more,
})
const line = (text) => upgraded({}, text)
const changed = (change) => (asked) => Buffer.from(change(upgraded()(asked).toString('latin1')))
const names = (change) => changed((head) => head.replace(/^[\w-]+(?=:)/gm, (name) => change(name)))
const inOne = (first) => (asked) => Buffer.concat([upgraded()(asked), first])

export const title = 'opening handshakes'
export const cases = [
  lives('that of the RFC', '1.3', upgraded()),
  lives('a path and a query', '3', upgraded(), { path: '/some/where?a=b&c=%20d' }),
  lives('another reason', '9112 4', line('HTTP/1.1 101 OK')),
  lives('an empty reason', '9112 4', line('HTTP/1.1 101 ')),
  lives('no reason', '9112 4', line('HTTP/1.1 101')),
  lives('the upgrade in other letters', '4.1 2', upgraded({ Upgrade: 'WebSocket' })),
  lives('the connection in other letters', '4.1 3', upgraded({ Connection: 'UPGRADE' })),
  lives('one of two options', '4.1 3', upgraded({ Connection: 'keep-alive, Upgrade' })),
  lives(
    'names of headers in small letters',
    '4.1',
    names((it) => it.toLowerCase()),
  ),
  lives(
    'names of headers in capitals',
    '4.1',
    names((it) => it.toUpperCase()),
  ),
  lives(
    'values without a space',
    '9112 5',
    changed((it) => it.replaceAll(': ', ':')),
  ),
  lives(
    'values among spaces and tabs',
    '9112 5',
    changed((it) => it.replace(/: (.*)$/gm, ': \t $1 ')),
  ),
  lives('headers that nobody knows', '4.1', upgraded({ 'X-Other': 'a: b, c', Server: 'x' })),
  lives('a cookie, which is not kept', '4.1', upgraded({ 'Set-Cookie': 'a=b' })),
  lives('100 headers', '4.1', upgraded({ 'X-Other': Array(100).fill('a') })),
  lives('an early hint before it', '9110 15.2', [
    ...[Buffer.from('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'), upgraded()],
  ]),
  lives('100 (Continue) before it', '9110 15.2', [
    ...[Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'), upgraded()],
  ]),
  lives('the welcome in the same packet', '4.1', inOne(binary(welcome)), {
    isWhole: true,
    open: [],
  }),
  lives(
    'the first byte of the welcome in the same packet',
    '4.1',
    inOne(binary(welcome).subarray(0, 1)),
    {
      ...{ isWhole: true, open: [20, binary(welcome).subarray(1)] },
    },
  ),
  lives('a pause before it', '4.1', [50, upgraded()]),
  lives('a pause behind it', '4.1', upgraded(), { open: [50, binary(welcome)] }),
  lives('a pause within the first line', '4.1', [
    ...[Buffer.from('HTTP/1.'), 30, changed((it) => it.slice('HTTP/1.'.length))],
  ]),
]
