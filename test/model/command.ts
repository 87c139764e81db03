/** What the model tests share whose commands fast-check draws. */

import fc from 'fast-check'
import { expect, it } from 'vitest'

let commandCount = 0

/** One operation, which is done to a model and to what is real, and compared. */
export abstract class ModelCommand<Model extends object, Real>
  implements fc.AsyncCommand<Model, Real>
{
  check(_model: Readonly<Model>): boolean {
    return true
  }

  async run(model: Model, real: Real): Promise<void> {
    commandCount += 1
    await this.compare(model, real)
  }

  abstract compare(model: Model, real: Real): Promise<void>

  toString(): string {
    const text = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value)
    return `${this.constructor.name} ${JSON.stringify(this, text)}`
  }
}

interface Sides<Model extends object, Real> {
  /** What the line begins with that says how many commands there were. */
  readonly id: string
  readonly commands: fc.Arbitrary<fc.AsyncCommand<Model, Real>>[]
  readonly makeModel: () => Model
  readonly makeReal: () => Promise<Real>
  readonly commandsWanted: number
  readonly commandsPerRun: number
  readonly millisPerCommand: number
}

/** A test that sequences of commands do the same to both sides. */
export function itComparesCommands<Model extends object, Real extends { remove(): Promise<void> }>(
  title: string,
  sides: Sides<Model, Real>,
): void {
  const { id, commands, makeModel, makeReal, commandsWanted, commandsPerRun } = sides
  const seed = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const runSequence = async (sequence: Iterable<fc.AsyncCommand<Model, Real>>) => {
    const real = await makeReal()
    try {
      await fc.asyncModelRun(() => ({ model: makeModel(), real }), sequence)
    } finally {
      await real.remove()
    }
  }
  const compareAll = async () => {
    // A failure prints its seed and path. MILLRACE_SHRINK=1 looks for the smallest sequence.
    const path = process.env['MILLRACE_PATH']
    const sequences = fc.commands(commands, { maxCommands: commandsPerRun, size: 'max' })
    await fc.assert(fc.asyncProperty(sequences, runSequence), {
      seed,
      endOnFailure: process.env['MILLRACE_SHRINK'] === undefined,
      // On average half as long as they may be.
      numRuns: Math.ceil((2 * commandsWanted) / commandsPerRun),
      ...(path === undefined ? {} : { path }),
    })
    expect(commandCount).toBeGreaterThan(0)
    process.stdout.write(`${id}: ${commandCount} commands, seed ${seed}, 0 differences\n`)
  }
  it(`${title} (T-M1, seed ${seed})`, compareAll, 60_000 + commandsWanted * sides.millisPerCommand)
}
