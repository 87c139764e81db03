import { itComparesCommands } from './command.ts'
import { Real } from './log-command.ts'
import { commands, makeModel } from './log-commands.ts'

itComparesCommands('any sequence of operations does to the log what it does to an array', {
  id: 'T-M1',
  commands,
  makeModel,
  makeReal: () => Real.make(),
  commandsWanted: Number(process.env['MILLRACE_COMMANDS'] ?? 400),
  commandsPerRun: 60,
  millisPerCommand: 100,
})
