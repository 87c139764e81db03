/** What commands of the broker have in common. */

import type { MillraceError } from '../../src/errors.ts'
import type { BrokerModel, ModelStream } from './broker-model.ts'
import type { RealBroker } from './broker-real.ts'
import { ModelCommand } from './command.ts'

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'done',
    (error: MillraceError) => error.code,
  )
}

export abstract class Command extends ModelCommand<BrokerModel, RealBroker> {}

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
