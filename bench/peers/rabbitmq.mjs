// RabbitMQ with its stream plugin, loaded by rabbitmq-load.mjs over the stream protocol.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, runProgram, startServer } from './lib/programs.mjs'
import { fromDebian, librariesOf } from './lib/sources.mjs'

const script = fileURLToPath(new URL('rabbitmq-load.mjs', import.meta.url))
const startSeconds = 120

const configuration = ({ streamPort, amqpPort }) => `
listeners.tcp.1 = 127.0.0.1:${amqpPort}
stream.listeners.tcp.1 = 127.0.0.1:${streamPort}
stream.advertised_host = 127.0.0.1
stream.advertised_port = ${streamPort}
`

/** The folder of a program whose version is part of its name. */
const folderOf = (parent, prefix) =>
  join(
    parent,
    readdirSync(parent).find((it) => it.startsWith(prefix)),
  )

/** Everything that it keeps stands in one folder, its cookie too. */
function environmentOf({ installed, directory, ports }) {
  const { root } = installed
  return {
    HOME: directory,
    LD_LIBRARY_PATH: librariesOf(root),
    PATH: `${directory}:${process.env.PATH}`,
    ERL_EPMD_PORT: String(ports.epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: 'bench@localhost',
    RABBITMQ_DIST_PORT: String(ports.distribution),
    RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq'),
    RABBITMQ_CONF_ENV_FILE: join(directory, 'none'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'enabled_plugins'),
    RABBITMQ_MNESIA_BASE: join(directory, 'data'),
    RABBITMQ_LOG_BASE: join(directory, 'log'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      '-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}',
  }
}

/** Debian's own looks for Erlang where it would be if it were installed. */
const erlOf = ({ erlang, runtime }) => `#!/bin/sh
export EMU=beam PROGNAME=erl ROOTDIR='${erlang}' BINDIR='${join(runtime, 'bin')}'
exec "$BINDIR/erlexec" "$@"
`

async function portsOf() {
  const [streamPort, amqpPort] = [await freePort(), await freePort()]
  return { streamPort, amqpPort, epmd: await freePort(), distribution: await freePort() }
}

export const rabbitmq = {
  id: 'rabbitmq',
  name: 'RabbitMQ streams',
  workloads: {
    publish: {
      what: 'stream protocol, 500 records a frame, 16 frames in flight, one stream',
      durability: 'os',
      probe: 20_000,
    },
  },

  async install(cache) {
    const root = await fromDebian(cache, ['rabbitmq-server'])
    const home = folderOf(join(root, 'usr', 'lib', 'rabbitmq', 'lib'), 'rabbitmq_server-')
    const erlang = join(root, 'usr', 'lib', 'erlang')
    const runtime = folderOf(erlang, 'erts-')
    return { version: home.split('-').at(-1), root, home, erlang, runtime }
  },

  async start({ installed, directory }) {
    const ports = await portsOf()
    writeFileSync(join(directory, 'rabbitmq.conf'), configuration(ports))
    writeFileSync(join(directory, 'enabled_plugins'), '[rabbitmq_stream].\n')
    writeFileSync(join(directory, 'erl'), erlOf(installed), { mode: 0o755 })
    for (const name of ['data', 'log']) mkdirSync(join(directory, name))
    const env = environmentOf({ installed, directory, ports })
    // The names of nodes have a server of their own, which would otherwise stay behind.
    const epmd = join(installed.runtime, 'bin', 'epmd')
    const names = await startServer([epmd], { port: ports.epmd, seconds: startSeconds, env })
    try {
      const command = [join(installed.home, 'sbin', 'rabbitmq-server')]
      const options = { port: ports.streamPort, seconds: startSeconds, env, cwd: directory }
      const server = await startServer(command, options)
      return { ...server, stop: () => server.stop().finally(() => names.stop()) }
    } catch (error) {
      await names.stop()
      throw error
    }
  },

  async load({ server, records, seconds }) {
    const command = [process.execPath, script, String(server.port), String(records)]
    return JSON.parse(await runProgram(command, { place: 'last', seconds }))
  },
}
