// What the benches run: the native programs and the floor addon, built on demand, and the
// compiled package.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'

const buildDirectory = 'build-release'
const jobs = '2'

/** The native programs that the benches of the broker start: its load, and a calibrator. */
export const brokerPrograms = ['ws_load', 'ws_subscribe', 'ws_latency', 'sync_bench']

function run(root, command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: Number.POSITIVE_INFINITY,
  })
  if (result.status !== 0) {
    const reason = result.error?.message ?? `${result.stdout}${result.stderr}`
    throw new Error(`${command} ${args.join(' ')} failed:\n${reason}`)
  }
}

/** Builds the native programs by these names; answers the folder that holds them. */
export function buildNative(root, names, given) {
  if (given !== undefined) return resolve(given)
  if (names.length > 0) {
    run(root, 'cmake', ['--preset', 'release'])
    run(root, 'cmake', ['--build', '--preset', 'release', '-j', jobs, '--target', ...names])
  }
  return join(root, buildDirectory)
}

/** Compiles the addon whose calls do nothing; answers its path. */
export function buildFloor(root, given) {
  const directory = given === undefined ? join(root, buildDirectory) : resolve(given)
  const output = join(directory, 'floor.node')
  if (given !== undefined && existsSync(output)) return output
  mkdirSync(directory, { recursive: true })
  const headers = join(
    dirname(createRequire(join(root, 'package.json')).resolve('node-api-headers/package.json')),
    'include',
  )
  const source = join(root, 'bench', 'micro', 'floor.c')
  const link = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []
  run(root, process.env.CC ?? 'cc', [
    ...['-O2', '-shared', '-fPIC', '-DNAPI_VERSION=9', `-I${headers}`, source, '-o', output],
    ...link,
  ])
  return output
}

/** Compiles the package and its addon; answers the folder of the compiled package. */
export function buildPackage(root, given) {
  if (given !== undefined) return resolve(given)
  const compiler = createRequire(join(root, 'package.json')).resolve('typescript/package.json')
  run(root, process.execPath, [join(dirname(compiler), 'bin', 'tsc'), '-p', '.'])
  if (process.env.MILLRACE_ADDON === undefined) {
    run(root, process.execPath, ['native/install.cjs', '--with', 'cmake-js'])
  }
  return join(root, 'dist')
}
