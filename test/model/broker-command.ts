/** What commands of the broker have in common. */

import type fc from 'fast-check'
import type { MillraceError } from '../../src/errors.ts'
import type { BrokerModel, ModelStream } from './broker-model.ts'
import { RealBroker } from './broker-real.ts'

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'done',
    (error: MillraceError) => error.code,
  )
}

export abstract class Command implements fc.AsyncCommand<BrokerModel, RealBroker> {
  check(_model: Readonly<BrokerModel>): boolean {
    return true
  }

  async run(model: BrokerModel, real: RealBroker): Promise<void> {
    RealBroker.commandCount += 1
    await this.compare(model, real)
  }

  abstract compare(model: BrokerModel, real: RealBroker): Promise<void>

  toString(): string {
    const text = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value)
    return `${this.constructor.name} ${JSON.stringify(this, text)}`
  }
}

export abstract class StreamCommand extends Command {
  readonly name: string

  constructor(name: string) {
    super()
    this.name = name
  }

  override check(model: Readonly<BrokerModel>): boolean {
    return model.streams.has(this.name)
  }

  async compare(model: BrokerModel, real: RealBroker): Promise<void> {
    const stream = model.streams.get(this.name)
    if (stream !== undefined) await this.compareStream(stream, model, real)
  }

  abstract compareStream(stream: ModelStream, model: BrokerModel, real: RealBroker): Promise<void>
}
