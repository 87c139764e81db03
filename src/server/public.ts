/** What `millrace/server` exports: a broker on a port, in the process that starts it. */

export { Broker, type BrokerOptions, type BrokerStats } from '../broker/broker.ts'
export { createLogger, type Logger } from './logger.ts'
export { type Server, type ServerLimits, type ServerOptions, startServer } from './server.ts'
