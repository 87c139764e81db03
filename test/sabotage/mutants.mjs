// The deliberate bugs. `number` is that of the reliability document's table of sabotage, and from 23
// on this table's own, from 61 on for fan-out and groups of workers. 12 is none any more: nothing can
// publish where no socket has a topic. 17 is none yet; 18, the origin, is 171 here.
import { bench } from './mutants/bench.mjs'
import { broker } from './mutants/broker.mjs'
import { cli } from './mutants/cli.mjs'
import { client } from './mutants/client.mjs'
import { log } from './mutants/log.mjs'
import { server } from './mutants/server.mjs'
import { sockets } from './mutants/sockets.mjs'
import { stream } from './mutants/stream.mjs'
import { torture } from './mutants/torture.mjs'

export const mutants = [
  ...log,
  ...stream,
  ...broker,
  ...server,
  ...sockets,
  ...client,
  ...cli,
  ...bench,
  ...torture,
].sort((one, other) => one.number - other.number)

// What is run at changes, one half or the other with some of the others: the rows of the reliability
// document's table that there are.
export const table = [
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16],
  ...[171, 19, 20, 21, 22],
]
