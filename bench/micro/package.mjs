// The package that is measured: MILLRACE_BENCH_DIST is the folder of its compiled form.
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const dist =
  process.env.MILLRACE_BENCH_DIST ?? fileURLToPath(new URL('../../dist', import.meta.url))

/** A part of the package that its users do not see. */
export const loadPart = (path) => import(pathToFileURL(resolve(dist, path)).href)
