import { defineConfig } from 'vitest/config'
import { hardened } from './test/support/hardened.ts'

interface ProjectOptions {
  readonly fileParallelism?: boolean
  readonly testTimeout?: number
  readonly execArgv?: string[]
}

/** A project is a folder of test/. */
const project = (name: string, options: ProjectOptions = {}) => ({
  extends: true as const,
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    execArgv: [...hardened],
    ...options,
  },
})

export default defineConfig({
  test: {
    // A crash of native code loses one file, not the run.
    pool: 'forks',
    // With those of its project.
    execArgv: ['--expose-gc'],
    maxWorkers: 2,
    passWithNoTests: true,
    projects: [
      project('unit'),
      project('format'),
      project('seam', { testTimeout: 60_000 }),
      project('model', { testTimeout: 60_000 }),
      project('e2e', { fileParallelism: false, testTimeout: 60_000 }),
      // What drives a browser makes code from text.
      project('browser', { execArgv: [], fileParallelism: false, testTimeout: 60_000 }),
      project('crash', { fileParallelism: false, testTimeout: 120_000 }),
      project('tidy', { testTimeout: 60_000 }),
      project('bench', { testTimeout: 60_000 }),
    ],
  },
})
