// What a server of a bench is told over its input: a JSON document a line, answered by one of the
// same. It ends with its input.
import { createInterface } from 'node:readline'

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`)

/** Carries out commands, one after another, by their name in `do`; `end` is called when no more come. */
export async function serveCommands(port, handlers, end) {
  say({ port })
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line)
    say((await handlers[command.do](command)) ?? {})
  }
  await end()
  process.exit()
}
