/**
 * The metrics of a server in the text format of Prometheus. Everything is counted where it happens,
 * as a plain number, and read when somebody asks: nothing is observed on the way of a request.
 */

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Connections } from './connections.ts'
import type { HttpAnswer } from './transport.ts'

const prefix = 'millrace_'

type Labels = Readonly<Record<string, string>>
type Samples = Iterable<readonly [value: number, labels?: Labels]>

export class Metrics {
  readonly #registry = new Registry()

  constructor(connections: Connections, brokerVersion: string) {
    collectDefaultMetrics({ register: this.#registry })
    this.#gauge('connections', 'Open connections.', () => [[connections.count]])
    this.#gauge('requests_in_flight', 'Requests that wait for their answers.', () => [
      [connections.inFlight()],
    ])
    this.#gauge('socket_buffered_bytes', 'Bytes of answers that clients have not taken.', () => [
      [connections.bufferedBytes()],
    ])
    this.#counter(
      'disconnects_total',
      'Connections that have ended, by close code.',
      ['code'],
      () =>
        Array.from(connections.closes, ([code, count]) => [count, { code: String(code) }] as const),
    )
    this.#counter('errors_total', 'Errors that were answered, by code.', ['code'], () =>
      Array.from(connections.errors, ([code, count]) => [count, { code }] as const),
    )
    this.#gauge('build_info', 'Always 1; the label says what runs.', () => [
      [1, { version: brokerVersion, node: process.version }],
    ])
  }

  /** Answers a scrape. */
  async answer(): Promise<HttpAnswer> {
    return {
      status: '200 OK',
      type: this.#registry.contentType,
      body: await this.#registry.metrics(),
    }
  }

  #gauge(name: string, help: string, samples: () => Samples): void {
    const labelNames = ['version', 'node']
    new Gauge({
      name: prefix + name,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [value, labels = {}] of samples()) this.set(labels, value)
      },
    })
  }

  #counter(name: string, help: string, labelNames: string[], samples: () => Samples): void {
    new Counter({
      name: prefix + name,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [value, labels = {}] of samples()) this.inc(labels, value)
      },
    })
  }
}
