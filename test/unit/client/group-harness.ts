import { anyone } from '../../../src/broker/caller.ts'
import { handlerOf } from '../../../src/broker/dispatch.ts'
import { Subscriptions } from '../../../src/broker/fan-out/subscriptions.ts'
import { ReadLimits } from '../../../src/broker/read-limits.ts'
import { ReadPace } from '../../../src/broker/read-pace.ts'
import type { Consumer } from '../../../src/client/consumer.ts'
import type { ConsumeOptions } from '../../../src/client/consumer-options.ts'
import { onAbort } from '../../../src/client/on-abort.ts'
import type { PushExchange, SubscriptionLine } from '../../../src/client/push-exchange.ts'
import type { RecordBatch } from '../../../src/client/record-batch.ts'
import { StreamVerbs } from '../../../src/client/stream-verbs.ts'
import { MillraceError } from '../../../src/errors.ts'
import { frameBytesMax } from '../../../src/limits.ts'
import { LocalLine } from '../../../src/local-line.ts'
import { TokenSealer } from '../../../src/shard/sealed-token.ts'
import type { AnswerOf, Operation, RequestOf } from '../../../src/wire/operations.ts'
import type { ExchangeOptions } from '../../../src/wire/verbs.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { makeFanOut, streamName, type TestFanOut, turns } from '../broker/fan-out/harness.ts'

/** A program with one worker; it can die, or lose answers. */
class GroupProgram implements PushExchange {
  readonly #harness: GroupHarness
  readonly #lines = new Set<LocalLine>()
  readonly verbs: StreamVerbs
  /** Nothing of it reaches the broker any more, and nothing comes back. */
  isDead = false
  /** Called with each answer, before it arrives. */
  answered: (name: string) => void = () => undefined

  constructor(harness: GroupHarness) {
    this.#harness = harness
    this.verbs = new StreamVerbs(this, frameBytesMax, harness.clock)
  }

  async call<Op extends Operation>(
    operation: Op,
    request: RequestOf<Op>,
    { signal }: ExchangeOptions,
  ): Promise<AnswerOf<Op>> {
    let forget = () => {}
    const never = new Promise<never>((_, reject) => {
      forget = onAbort(signal, () => reject(signal?.reason))
    })
    never.catch(() => undefined)
    try {
      return await Promise.race([never, this.#answer(operation, request, never)])
    } finally {
      forget()
    }
  }

  async #answer<Op extends Operation>(
    operation: Op,
    request: RequestOf<Op>,
    never: Promise<never>,
  ): Promise<AnswerOf<Op>> {
    if (this.isDead) return await never
    this.#harness.calls.push(operation.name)
    const handler = handlerOf(operation)
    if (handler === undefined) throw new MillraceError('INTERNAL', operation.name)
    const answer = await handler(this.#harness.context, request, anyone)
    if (this.isDead) return await never
    this.answered(operation.name)
    return answer
  }

  put(): Promise<Uint8Array> {
    return Promise.reject(new MillraceError('INTERNAL', 'reads only'))
  }

  openLine(): SubscriptionLine {
    const { fanOut } = this.#harness.fanOut
    const openSubscriptions = (sink: ConstructorParameters<typeof Subscriptions>[1]) =>
      new Subscriptions(fanOut, sink)
    const line = new LocalLine({ openSubscriptions }, () => this.#lines.delete(line))
    this.#lines.add(line)
    return line
  }

  /** As a program dies: without a word. */
  die(): void {
    this.isDead = true
    for (const it of this.#lines) it.unsubscribe()
  }
}

/** Workers that share a stream of a broker without sockets, on a clock that stands still. */
export class GroupHarness {
  readonly fanOut: TestFanOut
  readonly clock = new FakeClock()
  readonly context: Parameters<NonNullable<ReturnType<typeof handlerOf>>>[0]
  /** Names of the operations, in order. */
  readonly calls: string[] = []

  constructor(fanOut: TestFanOut) {
    this.fanOut = fanOut
    // The log stamps records with the time of the machine.
    Object.assign(fanOut.fanOut.context, { now: Date.now })
    this.context = {
      ...fanOut.fanOut.context,
      sealer: new TokenSealer(fanOut.streams.instanceKey),
      pace: new ReadPace(),
      readLimits: new ReadLimits(fanOut.fanOut.context.elapsed),
    }
  }

  static async make(shardCount: number): Promise<GroupHarness> {
    return new GroupHarness(await makeFanOut(shardCount))
  }

  program(): GroupProgram {
    return new GroupProgram(this)
  }

  worker(options: Partial<ConsumeOptions> = {}, program = this.program()): Consumer {
    const { verbs } = program
    return verbs.consume(streamName, { consumer: 'billing', checkpoints: 'automatic', ...options })
  }

  /** Lets both clocks go on. */
  async advance(millis: number): Promise<void> {
    for (let gone = 0; gone < millis; gone += 25) await this.#tick(25)
  }

  /** Records that are put from now on have a later time than those before. */
  async later(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 5))
    this.fanOut.clock.millis = Math.max(this.fanOut.clock.millis, Date.now())
  }

  /** Waits until something is so, for which the clocks go on. */
  async until(isSo: () => boolean): Promise<void> {
    const end = Date.now() + 20_000
    while (!isSo()) {
      if (Date.now() > end) throw new Error(`it never came: ${isSo}`)
      await this.#tick(10)
    }
  }

  async #tick(millis: number): Promise<void> {
    // What threads of the log have to say takes real time.
    await new Promise((resolve) => setTimeout(resolve, 1))
    this.fanOut.clock.millis += millis
    await this.clock.advance(millis)
    await turns(1)
  }

  async progress<Answer>(answer: Promise<Answer>): Promise<Answer> {
    let isThere = false
    const done = () => {
      isThere = true
    }
    answer.then(done, done)
    await this.until(() => isThere)
    return await answer
  }

  async nextBatch(consumer: Consumer): Promise<RecordBatch> {
    const result = await this.progress(consumer.next())
    if (result.done === true) throw new Error('the consumer has ended')
    return result.value
  }

  /** The keys of so many records, as they come. */
  async take(consumer: Consumer, count: number): Promise<string[]> {
    const keys: string[] = []
    while (keys.length < count) keys.push(...keysOf(await this.nextBatch(consumer)))
    return keys
  }

  /** Waits until a checkpoint is stored. */
  async wrote(shard: string, next: string): Promise<void> {
    let stored: string | undefined
    while (stored !== next) {
      stored = (await this.checkpoints())[shard]
      await this.#tick(10)
    }
  }

  /** By shard: where the consumer goes on; `end` for one that it has worked off. */
  async checkpoints(): Promise<Record<string, string>> {
    const all = await this.program().verbs.getCheckpoints(streamName, 'billing')
    return Object.fromEntries(
      all.map((it) => [it.shardId.slice(-1), String(it.nextSequenceNumber ?? 'end')]),
    )
  }

  async leases(): Promise<Record<string, string>> {
    const all = await this.program().verbs.listLeases(streamName, 'billing')
    return Object.fromEntries(all.map((it) => [it.shardId.slice(-1), it.workerId]))
  }
}

export function keysOf(batch: RecordBatch): string[] {
  return Array.from(batch, (it) => it.partitionKey ?? '')
}

/** Runs a loop over a worker, and keeps what it was given and what ended it. */
export class Loop {
  readonly keys: string[] = []
  readonly events: string[] = []
  error: unknown
  readonly consumer: Consumer
  readonly #done: Promise<void>

  constructor(consumer: Consumer) {
    this.consumer = consumer
    for (const name of ['acquired', 'lost'] as const) {
      consumer.on(name, (it) => this.events.push(`${name} ${it.shardId.slice(-1)}`))
    }
    this.#done = this.#run()
  }

  async close(): Promise<void> {
    await this.consumer.close()
    await this.#done
  }

  async #run(): Promise<void> {
    try {
      for await (const batch of this.consumer) this.keys.push(...keysOf(batch))
    } catch (error) {
      this.error = error
    }
  }
}
