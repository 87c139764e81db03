/** Puts many records, shows how far it is, and tells of each one that was refused. */

import type { Producer } from '../client/producer.ts'
import { MillraceError } from '../errors.ts'
import type { PutAnswer, RecordInput } from '../wire/verbs.ts'
import type { Output } from './output.ts'
import { formatCount, formatMillis, plural } from './units.ts'

/** Acknowledgements that are waited for at the same time, where each of them is printed. */
const pendingMax = 4096
const progressMillis = 1000
const refusalsShownMax = 10

export class LinePutter {
  readonly #output: Output
  readonly #stream: string
  readonly #producer: Producer
  readonly #started = performance.now()
  readonly #pending: Promise<PutAnswer>[] = []
  #shownAt = this.#started
  #refused = 0
  #firstRefusal: MillraceError | undefined
  #printed = 0

  constructor(output: Output, stream: string, producer: Producer) {
    this.#output = output
    this.#stream = stream
    this.#producer = producer
    producer.on('refused', ({ ordinal, error }) => this.#tellRefused(ordinal + 1, error))
  }

  /** Waits while too much is on its way. */
  async put(record: RecordInput): Promise<void> {
    if (this.#output.json) {
      const answer = this.#producer.putAcknowledged(record)
      // Awaited later, in its turn.
      answer.catch(() => undefined)
      this.#pending.push(answer)
      if (this.#pending.length >= pendingMax) await this.#printOldest()
    } else {
      await this.#producer.put(record)
    }
    this.#showProgress()
  }

  /** Waits for all acknowledgements. Rejects with the code of the first refusal. */
  async end(): Promise<void> {
    const flushed = this.#producer.close()
    while (this.#pending.length > 0) await this.#printOldest()
    await flushed
    this.#output.endProgress()
    const { acknowledgedRecords } = this.#producer.stats
    const passed = performance.now() - this.#started
    if (!this.#output.json) {
      const rate = formatCount(Math.round((acknowledgedRecords * 1000) / Math.max(passed, 1)))
      const amount = plural(acknowledgedRecords, 'record')
      this.#output.line(`put ${amount} in ${formatMillis(passed)}, ${rate} a second`)
    }
    if (this.#firstRefusal === undefined) return
    const { code, message } = this.#firstRefusal
    const amount = plural(this.#refused, 'record')
    throw new MillraceError(code, `${amount} refused; the first: ${message}`)
  }

  async #printOldest(): Promise<void> {
    this.#printed += 1
    try {
      const answer = await (this.#pending.shift() as Promise<PutAnswer>)
      this.#output.row({ stream: this.#stream, ...answer })
    } catch (error) {
      this.#tellRefused(this.#printed, error)
    }
  }

  #tellRefused(number: number, error: unknown): void {
    if (!(error instanceof MillraceError)) throw error
    this.#refused += 1
    this.#firstRefusal ??= error
    if (this.#refused > refusalsShownMax) return
    this.#output.warn(`record ${formatCount(number)} was refused: ${error.message}`)
  }

  #showProgress(): void {
    const now = performance.now()
    if (now - this.#shownAt < progressMillis) return
    this.#shownAt = now
    const { acknowledgedRecords } = this.#producer.stats
    this.#output.progress(`${plural(acknowledgedRecords, 'record')} put`)
  }
}
