// The native programs of the tests, one executable per file stem, built on demand from a CMake
// preset: `races_main` is that of `release`, `races_main@tsan` that of another one.
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { mustRun } from './processes.mjs'

const DEFAULT_PRESET = 'release'
const BUILD_SECONDS_MAX = 1800

// As CMakePresets.json says.
const buildDirectory = (preset) => `build-${preset}`

function split(program) {
  const [name, preset = DEFAULT_PRESET] = program.split('@')
  return { name, preset }
}

export class Programs {
  #checkout
  #given
  #targets = new Map() // preset -> Set of names

  // `given` is a folder of programs of the preset `release` that are built already, or null.
  constructor(checkout, given = null) {
    this.#checkout = checkout
    this.#given = given === null ? null : resolve(given)
  }

  // Builds what `programs` asks for. Answers null, or why they cannot be had; throws when the
  // compiler refuses.
  async prepare(programs, onLine = () => {}) {
    const wanted = new Map()
    for (const { name, preset } of programs.map(split)) {
      wanted.set(preset, [...(wanted.get(preset) ?? []), name])
    }
    for (const [preset, names] of wanted) {
      const unavailable = await this.#prepare(preset, names, onLine)
      if (unavailable !== null) return unavailable
    }
    return null
  }

  // The absolute path of a program that prepare() has been asked for.
  path(program) {
    const { name, preset } = split(program)
    const path = join(this.#folder(preset), name)
    if (!existsSync(path)) throw new Error(`${path} should have been built, and is not there`)
    return path
  }

  #isGiven(preset) {
    return this.#given !== null && preset === DEFAULT_PRESET
  }

  #folder(preset) {
    return this.#isGiven(preset) ? this.#given : join(this.#checkout, buildDirectory(preset))
  }

  async #prepare(preset, names, onLine) {
    if (this.#isGiven(preset)) {
      const missing = names.find((name) => !existsSync(join(this.#given, name)))
      return missing === undefined ? null : `${this.#given} has no ${missing}`
    }
    if (!existsSync(join(this.#checkout, 'CMakeLists.txt')))
      return 'there is no CMakeLists.txt to build from'
    const targets = await this.#listTargets(preset, onLine)
    const unknown = names.find((name) => !targets.has(name))
    if (unknown !== undefined) return `CMakeLists.txt has no target ${unknown}`
    const lanes =
      process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(Math.min(2, availableParallelism()))
    const build = ['--build', buildDirectory(preset), '--parallel', lanes]
    await this.#cmake([...build, '--target', ...names], onLine)
    return null
  }

  async #listTargets(preset, onLine) {
    if (!this.#targets.has(preset)) {
      await this.#cmake(['--preset', preset], onLine)
      const help = ['--build', buildDirectory(preset), '--target', 'help']
      const { stdout } = await this.#cmake(help, () => {})
      // Make prints "... name", Ninja "name: phony".
      const names = stdout
        .split('\n')
        .map((line) => /^(?:\.\.\. )?([\w.+-]+)(?::.*| .*)?$/.exec(line)?.[1])
      this.#targets.set(preset, new Set(names.filter((name) => name !== undefined)))
    }
    return this.#targets.get(preset)
  }

  #cmake(args, onLine) {
    return mustRun('cmake', args, {
      cwd: this.#checkout,
      timeoutSeconds: BUILD_SECONDS_MAX,
      onLine,
    })
  }
}
