// What this machine can do. Each function answers null, or in one sentence why a test cannot run
// here.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { join } from 'node:path'

const INSTALL = 'test/torture/install-tools.sh installs it'
const NBDKIT_HEADER = '/usr/include/nbdkit-plugin.h'

// Debian keeps mkfs and losetup outside the PATH of ordinary users.
const SEARCH_PATH = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']

export function hasTool(name) {
  return SEARCH_PATH.some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK)
      return true
    } catch {
      return false // absent there, or not for us: the next directory may have it
    }
  })
}

export function needTool(name) {
  return hasTool(name) ? null : `${name} is not installed; ${INSTALL}`
}

export function needNodeModule(name) {
  const folder = new URL(`../../../node_modules/${name}`, import.meta.url)
  return existsSync(folder) ? null : `the package ${name} is not installed; npm ci installs it`
}

// The package as `npm run build` leaves it: compiled TypeScript and the addon.
export function needBuild() {
  const built = ['dist/index.js', 'build/Release/millrace.node']
  const missing = built.find((file) => !existsSync(new URL(`../../../${file}`, import.meta.url)))
  return missing === undefined ? null : `there is no ${missing}; npm run build makes it`
}

// A clang++ that can link a fuzz target; the same names in the same order as in CMakeLists.txt.
export function needFuzzer() {
  const compiler = ['clang++', 'clang++-19', 'clang++-16', 'clang++-14'].find(hasTool)
  if (compiler === undefined) return `clang++ is not installed; ${INSTALL}`
  const source = 'extern "C" int LLVMFuzzerTestOneInput(const char*, long) { return 0; }'
  const args = ['-fsanitize=fuzzer,address', '-x', 'c++', '-', '-o', '/dev/null']
  const { status } = spawnSync(compiler, args, {
    input: source,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  return status === 0 ? null : `${compiler} links no fuzz target (libclang-rt-14-dev); ${INSTALL}`
}

export function needRoot() {
  return process.getuid?.() === 0 ? null : 'mounting needs root'
}

export function needDevice(path) {
  return existsSync(path) ? null : `there is no ${path}`
}

export function needLoop() {
  return needRoot() ?? needDevice('/dev/loop-control') ?? needTool('losetup')
}

// Everything that the traced disk of rig/traced-disk.mjs needs.
export function needTracedDisk() {
  return (
    needLoop() ??
    needDevice('/dev/fuse') ??
    needTool('nbdkit') ??
    needTool('nbdfuse') ??
    needTool('gcc') ??
    (existsSync(NBDKIT_HEADER) ? null : `${NBDKIT_HEADER} is missing; ${INSTALL}`)
  )
}

// The first reason of several, or null.
export function firstReason(...reasons) {
  return reasons.find((reason) => reason !== null) ?? null
}
