// The native programs of the tests: built on demand from the CMake preset `release`, one executable
// per file stem.
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { mustRun } from './processes.mjs'

const BUILD_DIRECTORY = 'build-release'
const BUILD_SECONDS_MAX = 1800
const PLACES = ['', 'test', 'test/torture', 'test/torture/native', 'test/native', 'bin']

export class Programs {
  #checkout
  #given
  #targets = null

  // `given` is a folder of programs that are built already, or null.
  constructor(checkout, given = null) {
    this.#checkout = checkout
    this.#given = given === null ? null : resolve(given)
  }

  // Builds what `names` asks for. Answers null, or why they cannot be had; throws when the compiler
  // refuses.
  async prepare(names, onLine = () => {}) {
    if (names.length === 0) return null
    if (this.#given !== null) {
      const missing = names.find((name) => !existsSync(join(this.#given, name)))
      return missing === undefined ? null : `${this.#given} has no ${missing}`
    }
    if (!existsSync(join(this.#checkout, 'CMakeLists.txt')))
      return 'there is no CMakeLists.txt to build from'
    const targets = await this.#listTargets(onLine)
    const unknown = names.find((name) => !targets.has(name))
    if (unknown !== undefined) return `CMakeLists.txt has no target ${unknown}`
    await this.#cmake(
      [
        '--build',
        BUILD_DIRECTORY,
        '--parallel',
        String(Math.min(2, availableParallelism())),
        '--target',
        ...names,
      ],
      onLine,
    )
    return null
  }

  // The absolute path of a program that prepare() has been asked for.
  path(name) {
    if (this.#given !== null) return join(this.#given, name)
    for (const place of PLACES) {
      const candidate = join(this.#checkout, BUILD_DIRECTORY, place, name)
      if (existsSync(candidate)) return candidate
    }
    throw new Error(`${name} was built, but is in none of the usual places of ${BUILD_DIRECTORY}`)
  }

  async #listTargets(onLine) {
    if (this.#targets !== null) return this.#targets
    await this.#cmake(['--preset', 'release', '-DMILLRACE_TESTS=ON'], onLine)
    const { stdout } = await this.#cmake(['--build', BUILD_DIRECTORY, '--target', 'help'], () => {})
    // Make prints "... name", Ninja "name: phony".
    const names = stdout
      .split('\n')
      .map((line) => /^(?:\.\.\. )?([\w.+-]+)(?::.*| .*)?$/.exec(line)?.[1])
    this.#targets = new Set(names.filter((name) => name !== undefined))
    return this.#targets
  }

  #cmake(args, onLine) {
    return mustRun('cmake', args, {
      cwd: this.#checkout,
      timeoutSeconds: BUILD_SECONDS_MAX,
      onLine,
    })
  }
}
