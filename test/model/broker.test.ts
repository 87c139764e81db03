import { commands } from './broker-commands.ts'
import { BrokerModel } from './broker-model.ts'
import { RealBroker } from './broker-real.ts'
import { itComparesCommands } from './command.ts'

itComparesCommands('any sequence of requests does to the broker what it does to arrays', {
  id: 'T-M1, broker',
  commands,
  makeModel: () => new BrokerModel(),
  makeReal: () => RealBroker.make(),
  commandsWanted: Number(process.env['MILLRACE_BROKER_COMMANDS'] ?? 600),
  commandsPerRun: 80,
  millisPerCommand: 200,
})
