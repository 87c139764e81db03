/** What a metric is made of. */

import type { BrokerStats } from './served-broker.ts'

/** What is known of the connections. */
export interface ConnectionFigures {
  readonly count: number
  inFlight(): number
  bufferedBytes(): number
  readonly closes: ReadonlyMap<number, number>
  readonly errors: ReadonlyMap<string, number>
  readonly overload: {
    readonly shedRequests: number
    delays(): [quantile: string, seconds: number][]
  }
  readonly halfMessages: { readonly cut: number }
}

export type Labels = Readonly<Record<string, string>>
export type Samples = readonly (readonly [value: number, labels?: Labels])[]

export interface Row {
  readonly kind: 'counter' | 'gauge'
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  readonly samples: (figures: Figures) => Samples
}

export interface Figures {
  readonly connections: ConnectionFigures
  readonly broker: BrokerStats
  readonly version: string
}

/** A metric: its name without the prefix, and how its samples come from the figures. */
export function row(
  kind: Row['kind'],
  name: string,
  help: string,
  samples: Row['samples'],
  labels: readonly string[] = [],
): Row {
  return { kind, name: `millrace_${name}`, help, labels, samples }
}

/** Streams that have a label of their own. */
export const streamLabelsMax = 200
/** The label of all others. */
export const otherLabel = 'other'

export function labelOf(streamName: string, index: number): string {
  return index < streamLabelsMax ? streamName : otherLabel
}
