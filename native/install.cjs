// Compiles the addon: with cmake-js, else with node-gyp. Runs when the package is installed, and as
// `npm run build:native` and `npm run build:gyp`, which allow one tool alone (`--with`) and show
// its output.
'use strict'

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const root = path.join(__dirname, '..')
const addon = path.join(root, 'build', 'Release', 'millrace.node')

/** Where a file of an installed package is, or undefined where the package is missing. */
function find(request) {
  try {
    return require.resolve(request, { paths: [root] })
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

/** A cache that CMake made for another folder (a copied checkout) fails every build: begin again. */
function dropForeignCache() {
  const cache = path.join(root, 'build', 'CMakeCache.txt')
  if (!fs.existsSync(cache)) return
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(fs.readFileSync(cache, 'utf8'))?.[1]
  if (
    home === undefined ||
    !fs.existsSync(home) ||
    fs.realpathSync(home) !== fs.realpathSync(root)
  ) {
    fs.rmSync(path.join(root, 'build'), { recursive: true, force: true })
  }
}

/** `compile` begins anew when a build fails, which heals a stale cache. */
function cmakeJs(shown) {
  const manifest = find('cmake-js/package.json')
  if (manifest === undefined) return undefined
  dropForeignCache()
  const verb = shown ? 'build' : 'compile'
  return [path.join(path.dirname(manifest), 'bin', 'cmake-js'), verb, '--directory', root]
}

/** node-gyp wants Node's own headers: those beside this Node, else it downloads them. */
function nodeGyp() {
  const script = find('node-gyp/bin/node-gyp.js') ?? process.env.npm_config_node_gyp
  if (script === undefined) return undefined
  const prefix = path.join(path.dirname(fs.realpathSync(process.execPath)), '..')
  const headers = fs.existsSync(path.join(prefix, 'include', 'node', 'node_api.h'))
  return [script, 'rebuild', '--directory', root, ...(headers ? [`--nodedir=${prefix}`] : [])]
}

const tools = { 'cmake-js': cmakeJs, 'node-gyp': nodeGyp }

/** Runs one tool. Returns undefined when the addon was built and loads, else what went wrong. */
function build(tool, shown) {
  const command = tools[tool](shown)
  if (command === undefined) return `${tool} is not installed`
  const jobs = String(Math.min(os.availableParallelism(), 8))
  const result = spawnSync(process.execPath, command, {
    cwd: root,
    env: { CMAKE_BUILD_PARALLEL_LEVEL: jobs, JOBS: jobs, ...process.env },
    stdio: shown ? 'inherit' : 'pipe',
    encoding: 'utf8',
    maxBuffer: Number.POSITIVE_INFINITY,
  })
  if (result.status !== 0) {
    return `${tool} failed${shown ? '' : `:\n${result.stdout ?? ''}${result.stderr ?? ''}`}`
  }
  const loaded = spawnSync(process.execPath, ['-e', 'require(process.argv[1])', addon], {
    encoding: 'utf8',
  })
  return loaded.status === 0 ? undefined : `what ${tool} built does not load:\n${loaded.stderr}`
}

/** What the machine lacks, as words for the last sentence. */
function missingTools() {
  const present = (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0
  const missing = []
  if (![process.env.CXX, 'c++', 'g++', 'clang++'].some((it) => it && present(it))) {
    missing.push('a C++ compiler')
  }
  if (!present('make') && !present('ninja')) missing.push('make')
  if (!present('cmake') && !present('python3')) missing.push('CMake')
  return missing
}

function main() {
  const wanted = process.argv[2] === '--with' ? process.argv[3] : undefined
  if (wanted !== undefined && !Object.hasOwn(tools, wanted)) {
    throw new Error(`--with takes one of: ${Object.keys(tools).join(', ')}`)
  }
  const failures = []
  for (const tool of wanted === undefined ? Object.keys(tools) : [wanted]) {
    const failure = build(tool, wanted !== undefined)
    if (failure === undefined) return
    failures.push(failure)
  }
  const missing = missingTools()
  process.stderr.write(
    `${failures.join('\n\n')}\n\nmillrace: the native addon could not be compiled` +
      `${missing.length > 0 ? ` for lack of ${new Intl.ListFormat('en').format(missing)}` : ''}; ` +
      'install a C++20 compiler (gcc 11 or clang 14, or newer), make and CMake 3.18 or newer ' +
      '(Debian and Ubuntu: apt-get install build-essential cmake; Fedora: dnf install gcc-c++ ' +
      'make cmake), then run: npm rebuild millrace\n',
  )
  process.exitCode = 1
}

main()
