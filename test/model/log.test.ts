import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Real } from './log-command.ts'
import { commands, makeModel } from './log-commands.ts'

const commandsWanted = Number(process.env['MILLRACE_COMMANDS'] ?? 400)
const seed = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const commandsPerRun = 60
const commandsPerRunMean = 30
const millisPerCommand = 100

it(
  `any sequence of operations does to the log what it does to an array (T-M1, seed ${seed})`,
  async () => {
    // A failure prints its seed and path. MILLRACE_SHRINK=1 looks for the smallest sequence.
    const path = process.env['MILLRACE_PATH']
    Real.commandCount = 0
    await fc.assert(
      fc.asyncProperty(
        fc.commands(commands, { maxCommands: commandsPerRun, size: 'max' }),
        async (list) => {
          const real = await Real.make()
          try {
            await fc.asyncModelRun(() => ({ model: makeModel(), real }), list)
          } finally {
            await real.remove()
          }
        },
      ),
      {
        seed,
        endOnFailure: process.env['MILLRACE_SHRINK'] === undefined,
        numRuns: Math.ceil(commandsWanted / commandsPerRunMean),
        ...(path === undefined ? {} : { path }),
      },
    )
    expect(Real.commandCount).toBeGreaterThan(0)
    process.stdout.write(`T-M1: ${Real.commandCount} commands, seed ${seed}, 0 differences\n`)
  },
  60_000 + commandsWanted * millisPerCommand,
)
