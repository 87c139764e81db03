// The addon of floor.c, which the runner compiles and names in MILLRACE_BENCH_FLOOR.
import { createRequire } from 'node:module'
import { resolve } from 'node:path'

/** The addon, or undefined where nobody has compiled it. */
export function loadFloor() {
  const path = process.env.MILLRACE_BENCH_FLOOR
  return path === undefined ? undefined : createRequire(import.meta.url)(resolve(path))
}
