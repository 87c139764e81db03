/** What a broker says when it is ready. */

import type { Output } from './output.ts'
import { programName } from './program-name.ts'
import { formatMillis, plural } from './units.ts'

/** The facts of a start: of the banner, and of the line of JSON that takes its place. */
export interface StartFacts {
  readonly version: string
  readonly node: string
  readonly readyMillis: number
  readonly data: string
  readonly ephemeral: boolean
  readonly streams: number
  readonly shards: number
  /** `recovered`: after a stop that was no orderly one. */
  readonly opened: 'new' | 'clean' | 'recovered'
  readonly durability: 'disk' | 'os'
  readonly url: string
  /** Where the metrics are, if they have a port of their own. */
  readonly adminUrl?: string
  /** A hash of the settings: the same where two brokers are set alike. */
  readonly configuration: string
}

const openWords = {
  new: 'new',
  clean: 'clean open',
  recovered: 'recovered after an unclean stop',
}

const durabilityWords = {
  disk: 'disk (fdatasync before every ack)',
  os: 'os (page cache: nothing outlives the broker)',
}

/** `example` is a stream that is there, for the commands to try. */
export function bannerLines(
  output: Output,
  facts: StartFacts,
  example: string | undefined,
): string[] {
  const { data, streams, shards, url, adminUrl } = facts
  const metrics = adminUrl === undefined ? ' /metrics' : ''
  const program = programName()
  const stream = example ?? 'orders'
  const kept = facts.ephemeral ? `${data} (removed at exit)` : data
  const node = facts.node.split('.').slice(0, 2).join('.')
  const ready = formatMillis(facts.readyMillis)
  const title = `millrace ${facts.version}   node ${node}   ready in ${ready}`
  const size = `${plural(streams, 'stream')}, ${plural(shards, 'shard')}`
  return [
    output.errorStyle('bold', title),
    `  data        ${kept}   ${size}, ${openWords[facts.opened]}`,
    `  durability  ${durabilityWords[facts.durability]}`,
    `  listening   ${output.errorStyle('cyan', url)}   /healthz /readyz${metrics}`,
    ...(adminUrl === undefined ? [] : [`  metrics     ${adminUrl}/metrics`]),
    'paste into another terminal:',
    `  export MILLRACE_URL=${url}`,
    ...(example === undefined ? [`  ${program} stream create ${stream}`] : []),
    `  ${program} put ${stream} --key customer-7 hello`,
    `  ${program} tail ${stream} --from oldest`,
  ]
}
