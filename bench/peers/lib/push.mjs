// Messages that a peer hands to its subscribers and does not keep, loaded by push-load.mjs.
import { fileURLToPath } from 'node:url'
import { runProgram } from './programs.mjs'

const script = fileURLToPath(new URL('../push-load.mjs', import.meta.url))

/** Workloads of a peer, by name: so many subscribers of one publisher each. */
export const pushWorkloads = (name, more) =>
  Object.fromEntries(
    [1, 10, 100].map((subscribers) => [
      `${name}, 1:${subscribers}`,
      {
        what: `${name}, one publisher, ${subscribers} subscribers, one record a message`,
        durability: 'none',
        probe: 5000,
        subscribers,
        ...more,
      },
    ]),
  )

/** `records` are deliveries, to all subscribers together. */
export async function loadPushes(protocol, { server, settings, records, seconds }) {
  const { subscribers } = settings
  const messages = Math.ceil(records / subscribers)
  const args = [protocol, server.port, messages, subscribers].map(String)
  const command = [process.execPath, script, ...args]
  return JSON.parse(await runProgram(command, { place: 'last', seconds }))
}
