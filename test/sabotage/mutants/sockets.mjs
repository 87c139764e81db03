// Bugs of the server that show over a socket.
import { vitestMutants } from './kinds.mjs'

export const sockets = vitestMutants('test/e2e', [
  ['19-permission-at-connect', 'access', 'acts on what is open when it changes'],
  ['20-token-logged', 'access', 'that is wrong is refused wherever it comes'],
  ['133-compression', 'transport', 'is welcomed'],
  ['134-handshake-unchecked', 'transport', 'when it is no handshake'],
  ['163-expiry-ignored', 'access', 'ends its connection in mid-stream'],
  ['164-iterator-for-everybody', 'access', 'with an iterator of somebody else'],
  ['165-put-unchecked', 'access', 'is denied without telling'],
  ['166-wrong-file-taken', 'access', 'keeps its rules when it is broken'],
  ['175-refused-upgrade-kept', 'tls', 'keeps no connection of an upgrade'],
  ['176-certificate-outlived', 'tls-clients', 'ends connections with the cert'],
  ['242-principal-message-unbounded', 'access', 'takes no larger messages'],
  ['322-handshake-without-time', 'set-limits', 'stops within the handshake of TLS'],
  ['482-unknown-send-more', 'access', 'of a client that comes unknown than'],
  ['244-refusal-untold', 'client-connect', 'that is refused says what the answer says'],
  [
    '444-heartbeat-kept',
    'subscription-flood',
    'subscriptions that come and go leaves nothing behind',
  ],
  ['524-short-backlog', 'overload', 'while the broker is busy waits for it'],
  ['382-strangers-send-more', 'unknown-clients', 'a plain port takes short messages'],
])
