/** Two network namespaces with a cable between them: what one of them sees of the other is real. */

import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const probe = fileURLToPath(new URL('./children/probe.mjs', import.meta.url))
const run = promisify(execFile)

/** Why there can be none here, or undefined. */
export function whyNoNamespace(): string | undefined {
  if (process.getuid?.() !== 0) return 'a network namespace needs root'
  for (const tool of ['ip', 'nsenter', 'unshare']) {
    if (spawnSync(tool, ['-V']).error !== undefined) return `there is no ${tool}`
  }
  const { status, stderr } = spawnSync('unshare', ['-n', 'ip', 'link', 'set', 'lo', 'up'])
  return status === 0 ? undefined : `no network namespace: ${stderr.toString().trim()}`
}

/** A machine that ends with its holder, a process that only sleeps. */
export class Machine {
  readonly #holder = spawn('unshare', ['-n', 'sleep', 'infinity'], { stdio: 'ignore' })
  /** Before the words of a command that is to run on it. */
  readonly inside: readonly string[]

  private constructor() {
    this.inside = ['nsenter', `--net=/proc/${this.#holder.pid}/ns/net`]
  }

  /** Two of them: the first has `addresses[0]`, the second all others. */
  static async pair(addresses: readonly string[]): Promise<[Machine, Machine]> {
    const both = [new Machine(), new Machine()] as [Machine, Machine]
    const [first, second] = both
    for (const machine of both) await machine.#ready()
    const peer = ['peer', 'name', 'cable', 'netns', String(second.#holder.pid)]
    first.#ip('link', 'add', 'cable', 'type', 'veth', ...peer)
    for (const [at, address] of addresses.entries()) {
      both[at === 0 ? 0 : 1].#ip('addr', 'add', `${address}/24`, 'dev', 'cable')
    }
    for (const machine of both) machine.#ip('link', 'set', 'cable', 'up')
    return both
  }

  /** What the script of probes answers there. */
  async probe(wanted: object): Promise<unknown> {
    const words = [...this.inside.slice(1), process.execPath, probe, JSON.stringify(wanted)]
    const { stdout } = await run(this.inside[0] as string, words)
    return JSON.parse(stdout)
  }

  /** Addresses and ports that somebody listens on, as the kernel writes them. */
  listening(): string[] {
    const files = ['tcp', 'tcp6', 'udp', 'udp6'].map((it) => `/proc/${this.#holder.pid}/net/${it}`)
    const lines = files.flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(1))
    const isOpen = /^\s*\d+: (\S+) \S+ (?:0A|07) /
    return lines.map((it) => isOpen.exec(it)?.[1]).filter((it) => it !== undefined)
  }

  /** Pulls the cable out, or puts it in again: what is sent meanwhile is lost, and nobody told. */
  plug(state: 'up' | 'down'): void {
    this.#ip('link', 'set', 'cable', state)
  }

  async end(): Promise<void> {
    if (this.#holder.exitCode !== null) return
    const ended = once(this.#holder, 'close')
    this.#holder.kill('SIGKILL')
    await ended
  }

  /** Once it is a machine of its own. */
  async #ready(): Promise<void> {
    const ours = readlinkSync('/proc/self/ns/net')
    while (readlinkSync(`/proc/${this.#holder.pid}/ns/net`) === ours) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    this.#ip('link', 'set', 'lo', 'up')
  }

  #ip(...words: readonly string[]): void {
    execFileSync(this.inside[0] as string, [...this.inside.slice(1), 'ip', ...words])
  }
}
