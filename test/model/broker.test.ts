import fc from 'fast-check'
import { expect, it } from 'vitest'
import { commands } from './broker-commands.ts'
import { BrokerModel } from './broker-model.ts'
import { RealBroker } from './broker-real.ts'

const commandsWanted = Number(process.env['MILLRACE_BROKER_COMMANDS'] ?? 600)
const seed = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const commandsPerRun = 80
const commandsPerRunMean = 40
const millisPerCommand = 200

it(
  `any sequence of requests does to the broker what it does to arrays (T-M1, seed ${seed})`,
  async () => {
    // A failure prints its seed and path. MILLRACE_SHRINK=1 looks for the smallest sequence.
    const path = process.env['MILLRACE_PATH']
    RealBroker.commandCount = 0
    await fc.assert(
      fc.asyncProperty(
        fc.commands(commands, { maxCommands: commandsPerRun, size: 'max' }),
        async (list) => {
          const real = await RealBroker.make()
          try {
            await fc.asyncModelRun(() => ({ model: new BrokerModel(), real }), list)
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
    expect(RealBroker.commandCount).toBeGreaterThan(0)
    process.stdout.write(
      `T-M1, broker: ${RealBroker.commandCount} commands, seed ${seed}, 0 differences\n`,
    )
  },
  60_000 + commandsWanted * millisPerCommand,
)
