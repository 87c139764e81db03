// A copy of the checkout that mutants are made in, with one build directory, both kept for the next
// run: what has not changed since is not compiled again.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { mustRun } from '../torture/lib/processes.mjs'

const FOLDERS = ['bench', 'native', 'src', 'test']
const FILES = ['CMakeLists.txt', 'package.json', 'tsconfig.json', 'vitest.config.ts']
const BUILD_SECONDS_MAX = 1800

// Every file below the folders and files of `root` that a build or a test needs, from the root.
function filesOf(root) {
  const below = FOLDERS.filter((name) => existsSync(join(root, name))).flatMap((name) =>
    readdirSync(join(root, name), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name))),
  )
  return [...FILES, ...below]
}

export class Scratch {
  #checkout
  #home
  #originals = new Map() // of the files that the patch in place changes

  constructor(checkout, home) {
    this.#checkout = checkout
    this.#home = home
  }

  get tree() {
    return join(this.#home, 'tree')
  }

  // As far from the sources as the builds of the checkout: a compiler cache that takes paths
  // relative to it then knows everything but the mutants.
  get build() {
    return join(this.tree, 'build-release')
  }

  get dist() {
    return join(this.#home, 'dist')
  }

  // Makes the copy equal to the checkout. A file that is the same keeps its time, and so its object
  // file.
  synchronize() {
    mkdirSync(this.tree, { recursive: true })
    const wanted = new Set(filesOf(this.#checkout))
    for (const path of filesOf(this.tree)) {
      if (!wanted.has(path)) rmSync(join(this.tree, path), { force: true })
    }
    for (const path of wanted) this.#copy(path)
    const modules = join(this.tree, 'node_modules')
    if (!existsSync(modules)) symlinkSync(join(this.#checkout, 'node_modules'), modules)
  }

  #copy(path) {
    const from = join(this.#checkout, path)
    const to = join(this.tree, path)
    if (existsSync(to) && readFileSync(from).equals(readFileSync(to))) return
    mkdirSync(dirname(to), { recursive: true })
    cpSync(from, to)
  }

  // Configures and compiles `targets` of the copy as it is. The addon needs Node's headers; scripts
  // of the tests run on the compiled package.
  async compile(targets) {
    const headers = join(this.#checkout, 'node_modules/node-api-headers/include')
    if (!existsSync(join(this.build, 'CMakeCache.txt'))) {
      const options = ['-DMILLRACE_TESTS=ON', '-DMILLRACE_WERROR=ON', '-DCMAKE_BUILD_TYPE=Release']
      options.push(`-DCMAKE_JS_INC=${headers}`)
      await this.#run('cmake', ['-S', this.tree, '-B', this.build, ...options])
    }
    const parallel =
      process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(Math.min(2, availableParallelism()))
    await this.#run('cmake', [
      ...['--build', this.build, '--parallel', parallel, '--target'],
      ...targets,
    ])
  }

  async compilePackage() {
    const compiler = join(this.#checkout, 'node_modules/typescript/bin/tsc')
    await this.#run(process.execPath, [compiler, '-p', this.tree, '--outDir', this.dist])
    writeFileSync(join(this.dist, 'package.json'), '{ "type": "module" }\n')
  }

  // Throws when a patch does not fit.
  async checkFits(file) {
    await this.#apply('--check', file)
  }

  // Applies a patch to the copy; throws when it does not fit.
  async patch(file) {
    const paths = readFileSync(file, 'utf8').matchAll(/^\+\+\+ b\/(.*)$/gm)
    for (const [, path] of paths) {
      this.#originals.set(path, readFileSync(join(this.tree, path)))
    }
    await this.#apply('--whitespace=nowarn', file)
  }

  // Takes the patch back.
  restore() {
    for (const [path, bytes] of this.#originals) writeFileSync(join(this.tree, path), bytes)
    this.#originals.clear()
  }

  async #apply(option, file) {
    // Away from the repository that the copy may lie in, git takes the patch for one of this folder.
    const env = { ...process.env, GIT_CEILING_DIRECTORIES: this.#home }
    for (const name of ['GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE']) delete env[name]
    await mustRun('git', ['apply', option, file], { cwd: this.tree, env })
  }

  #run(command, args) {
    return mustRun(command, args, { cwd: this.tree, timeoutSeconds: BUILD_SECONDS_MAX })
  }
}
