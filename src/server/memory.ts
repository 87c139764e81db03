/** How much memory this process has of what it may have. */

import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import { getRecordsBytesMax } from '../limits.ts'
import { type GroupMemory, groupMemory } from './control-group.ts'
import { ProcFile } from './proc-file.ts'
import { renewed } from './renewed.ts'

const machineFile = new ProcFile('/proc/meminfo')
const processFile = new ProcFile('/proc/self/status')

export interface MemoryUse {
  /** Without what is mapped from files: the kernel takes that back by itself. */
  readonly ownBytes: number
  readonly ownBytesMax: number
  readonly heapBytes: number
  readonly heapBytesMax: number
  /** Of the control group, with whoever else is in it. */
  readonly group?: GroupMemory | undefined
  /** Of the machine: what can be had, and what there is. */
  readonly machine?: { readonly bytesLeft: number; readonly bytes: number } | undefined
}

/** How much is in use, of what there is. */
export interface UsedMemory {
  readonly bytes: number
  readonly bytesMax: number
}

/** Of the machine, or of the control group that this process is in. */
export function memoryOfMachine(): number {
  const constrained = process.constrainedMemory?.() ?? 0
  // Where nothing constrains it that is 0, or more than there is.
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
}

/**
 * Measures the memory again and again. `bytesMax`: what counts as all of it; 0: what the machine or
 * the control group has, at any time, as that may be changed under a broker.
 */
export function memorySource(
  bytesMax: number,
  now: () => number,
  ofMachine: () => number = memoryOfMachine,
): () => MemoryUse {
  const most = bytesMax > 0 ? () => bytesMax : renewed(ofMachine, now)
  return () => measureMemory(most())
}

interface UnreadBounds {
  readonly unreadTotalBytesMax: number
  readonly unreadShareBytesMax: number
}

/** `ownBytesMax`: what it may have. */
export function measureMemory(ownBytesMax: number): MemoryUse {
  const { heap_size_limit: heapBytesMax, used_heap_size: heapBytes } = getHeapStatistics()
  return {
    ownBytes: ownBytes(),
    ownBytesMax,
    heapBytes,
    heapBytesMax,
    group: groupMemory(),
    machine: machineMemory(),
  }
}

function machineMemory(): MemoryUse['machine'] {
  try {
    return parseMachineMemory(machineFile.read())
  } catch {
    return undefined // only Linux tells what can be had
  }
}

function ownBytes(): number {
  try {
    return parseOwnBytes(processFile.read())
  } catch {
    // Only Linux tells what is mapped from files.
    return process.memoryUsage.rss()
  }
}

const bytesPerKibibyte = 1024

const unreadShareOfMemory = 4

/** Bounds of what is left unread that fit into little memory; one large answer always does. */
export function unreadBounds<Limits extends UnreadBounds>(limits: Limits, memory: number): Limits {
  const most = Math.max(getRecordsBytesMax, Math.floor(memory / unreadShareOfMemory))
  return {
    ...limits,
    unreadTotalBytesMax: Math.min(limits.unreadTotalBytesMax, most),
    unreadShareBytesMax: Math.min(limits.unreadShareBytesMax, most),
  }
}

/** Anonymous memory, in what Linux says of a process. Throws where that is not said. */
export function parseOwnBytes(status: string): number {
  const kibibytes = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]
  if (kibibytes === undefined) throw new Error('no RssAnon in /proc/self/status')
  return Number(kibibytes) * bytesPerKibibyte
}

const machinePatterns = [/^MemAvailable: +(\d+) kB$/m, /^MemTotal: +(\d+) kB$/m]

/** What can be had, in what Linux says of the memory of the machine; undefined: it is not said. */
export function parseMachineMemory(text: string): MemoryUse['machine'] {
  const [bytesLeft, bytes] = machinePatterns.map(
    (it) => Number(it.exec(text)?.[1]) * bytesPerKibibyte,
  ) as [number, number]
  return Number.isNaN(bytesLeft + bytes) ? undefined : { bytesLeft, bytes }
}

export interface MemoryLimits {
  /** Of the memory and of the heap of JavaScript. */
  readonly memoryPercentMax: number
  /** Of the machine: whoever took the rest of it, the kernel is about to end a process. */
  readonly machinePercentMin: number
}

/** Which memory is used to more than so many percent, in words; undefined: none is. Pure. */
export function shortMemory(use: MemoryUse, limits: MemoryLimits): string | undefined {
  const { memoryPercentMax: percentMax, machinePercentMin } = limits
  const { ownBytes: own, ownBytesMax, heapBytes, heapBytesMax } = use
  if (own * 100 > ownBytesMax * percentMax) return inWords(own, ownBytesMax, 'memory')
  if (heapBytes * 100 > heapBytesMax * percentMax) return inWords(heapBytes, heapBytesMax, 'heap')
  const { group, machine } = use
  if (group !== undefined && group.bytes * 100 > group.bytesMax * percentMax) {
    return inWords(group.bytes, group.bytesMax, 'memory of the control group')
  }
  if (machine !== undefined && machine.bytesLeft * 100 < machine.bytes * machinePercentMin) {
    return inWords(machine.bytes - machine.bytesLeft, machine.bytes, 'memory of the machine')
  }
  return undefined
}

/**
 * What counts of it where connections hold it: that which is nearest to its end. The heap of
 * JavaScript has no part of a message that is not complete. Pure.
 */
export function usedMemory(use: MemoryUse): UsedMemory {
  const own = { bytes: use.ownBytes, bytesMax: use.ownBytesMax }
  const { group } = use
  if (group === undefined) return own
  return group.bytes * own.bytesMax > own.bytes * group.bytesMax ? group : own
}

/** Bytes until some memory is used to more than so many percent; less than 0: it is. Pure. */
export function roomBytes(use: MemoryUse, limits: MemoryLimits): number {
  const { memoryPercentMax, machinePercentMin } = limits
  const { group = { bytes: 0, bytesMax: Number.POSITIVE_INFINITY }, machine } = use
  const left = ({ bytes, bytesMax }: UsedMemory) => (bytesMax * memoryPercentMax) / 100 - bytes
  return Math.min(
    left({ bytes: use.ownBytes, bytesMax: use.ownBytesMax }),
    left({ bytes: use.heapBytes, bytesMax: use.heapBytesMax }),
    left(group),
    machine === undefined
      ? Number.POSITIVE_INFINITY
      : machine.bytesLeft - (machine.bytes * machinePercentMin) / 100,
  )
}

const mebibyte = 1024 * 1024

function inWords(bytes: number, bytesMax: number, what: string): string {
  return `${Math.round(bytes / mebibyte)} of ${Math.round(bytesMax / mebibyte)} MiB of ${what}`
}
