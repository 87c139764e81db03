// What is done with many subscribers at once.
import { setTimeout as wait } from 'node:timers/promises'
import { TortureFailure } from '../lib/failure.mjs'

const TOGETHER = 50

export async function subscribeAll(lanes, together = TOGETHER) {
  for (let at = 0; at < lanes.length; at += together) {
    await Promise.all(lanes.slice(at, at + together).map((lane) => lane.subscribe()))
  }
}

export async function until(isSo, secondsMax, what) {
  const end = performance.now() + secondsMax * 1000
  while (!isSo()) {
    if (performance.now() > end) throw new TortureFailure(`${what} after ${secondsMax} s`)
    await wait(10)
  }
}

export function checkFailures(lanes) {
  const failed = lanes.filter((lane) => lane.failure !== null)
  if (failed.length === 0) return
  throw new TortureFailure(`${failed.length} subscribers: ${failed[0].failure.message}`)
}
