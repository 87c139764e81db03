/** The facts about the machine of the generator without which a figure says nothing. */

import os from 'node:os'
import { formatBytes } from '../units.ts'

export interface MachineFacts {
  readonly processor: string
  readonly processors: number
  readonly memoryBytes: number
  readonly kernel: string
  readonly node: string
  /** Of the last minute, before the run. */
  readonly loadAverage: number
}

export function machineFacts(): MachineFacts {
  const processors = os.cpus()
  return {
    processor: processors[0]?.model.trim() ?? 'unknown',
    processors: processors.length,
    memoryBytes: os.totalmem(),
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    loadAverage: os.loadavg()[0] ?? 0,
  }
}

export function machineText(facts: MachineFacts): string {
  const { processor, processors, memoryBytes, kernel, node, loadAverage } = facts
  const memory = formatBytes(memoryBytes)
  const load = loadAverage.toFixed(1)
  return `${processor} x ${processors}, ${memory}, ${kernel}, Node ${node}, load ${load}`
}
