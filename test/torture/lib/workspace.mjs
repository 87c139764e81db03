// Where a run keeps its files. Data directories are on the disk under test, below `.torture`; disk
// images and traces are scratch in memory, as nothing about them has to survive the machine. What a
// failed test leaves is kept.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { insideNamespace } from './namespace.mjs'
import { mustRun } from './processes.mjs'

const SCRATCH_SIZE = '4g' // an upper bound: a tmpfs takes only what is in it

// Where files that need not survive are kept in memory, if this machine has such a place.
export function memoryFolder() {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
}

export class Workspace {
  #root
  #run
  #scratchRoot = null
  #scratchIsMount = false

  // `name` tells runs apart, for example a date and a seed.
  constructor(root, name) {
    this.#root = resolve(root)
    this.#run = join(this.#root, name)
  }

  get path() {
    return this.#run
  }

  async open() {
    mkdirSync(this.#run, { recursive: true })
    if (insideNamespace()) {
      this.#scratchRoot = join(this.#run, 'scratch')
      mkdirSync(this.#scratchRoot)
      await mustRun('mount', [
        '-t',
        'tmpfs',
        '-o',
        `size=${SCRATCH_SIZE}`,
        'scratch',
        this.#scratchRoot,
      ])
      this.#scratchIsMount = true
      return
    }
    this.#scratchRoot = mkdtempSync(join(memoryFolder(), 'millrace-torture-'))
  }

  // Two fresh folders for one test.
  make(id) {
    const directory = join(this.#run, id)
    const scratch = join(this.#scratchRoot, id)
    for (const path of [directory, scratch]) {
      rmSync(path, { recursive: true, force: true })
      mkdirSync(path, { recursive: true })
    }
    return { directory, scratch }
  }

  // Copies what was in memory beside the data directory, and answers where both are.
  async keep({ directory, scratch }) {
    if (readdirSync(scratch).length > 0) {
      await mustRun('cp', ['-a', '--sparse=always', `${scratch}/.`, join(directory, 'scratch')])
    }
    this.drop({ scratch })
    return directory
  }

  drop({ directory, scratch }) {
    for (const path of [directory, scratch]) {
      if (path !== undefined) rmSync(path, { recursive: true, force: true })
    }
  }

  // Removes the scratch, and the folder of the run when no test has left anything in it.
  async close() {
    if (this.#scratchIsMount) await mustRun('umount', [this.#scratchRoot])
    if (this.#scratchRoot !== null) rmSync(this.#scratchRoot, { recursive: true, force: true })
    if (existsSync(this.#run) && readdirSync(this.#run).length === 0)
      rmSync(this.#run, { recursive: true })
    if (existsSync(this.#root) && readdirSync(this.#root).length === 0)
      rmSync(this.#root, { recursive: true })
  }
}
