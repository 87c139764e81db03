/**
 * Commands and their broker in this process. That they are the same in processes of their own is
 * shown once for all, in cli-put.test.ts.
 */

import { onTestFinished } from 'vitest'
import { type Ended, runHere } from '../support/run-here.ts'
import { startBroker } from './running-broker.ts'

export interface OrdersHere {
  readonly url: string
  run(args: readonly string[], input?: string | Uint8Array): Promise<Ended>
}

/** A broker with a stream `orders` of two shards, and how to run a command against it. */
export async function ordersHere(): Promise<OrdersHere> {
  const broker = await startBroker()
  onTestFinished(() => broker.stop())
  const { url } = broker
  const environment = { MILLRACE_URL: url }
  const run: OrdersHere['run'] = (args, input) => runHere(args, { environment, input })
  const { status, stderr } = await run(['stream', 'create', 'orders', '--shards', '2'])
  if (status !== 0) throw new Error(stderr)
  return { url, run }
}
