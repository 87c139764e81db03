/** What the server needs of a broker. */

import type { Broker } from '../broker/broker.ts'

export type { BrokerStats } from '../broker/broker.ts'

export type ServedBroker = Pick<Broker, 'call' | 'put' | 'stats' | 'flush' | 'failed'>
