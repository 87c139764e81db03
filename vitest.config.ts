import { defineConfig } from 'vitest/config'
import { hardened } from './test/support/hardened.ts'

/** Those that drive a browser: what they do it with makes code from text. */
const inBrowser = ['browser', 'browser-page', 'hijack'].map((it) => `test/e2e/${it}.test.ts`)

interface ProjectOptions {
  readonly fileParallelism?: boolean
  readonly testTimeout?: number
  readonly exclude?: string[]
}

/** A project is a folder of test/; one without files yet is no error. */
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
      project('e2e', { fileParallelism: false, testTimeout: 60_000, exclude: inBrowser }),
      {
        extends: true,
        test: {
          name: 'browser',
          include: inBrowser,
          fileParallelism: false,
          testTimeout: 60_000,
        },
      },
      project('crash', { fileParallelism: false, testTimeout: 120_000 }),
      project('tidy', { testTimeout: 60_000 }),
      {
        extends: true,
        test: {
          name: 'bench',
          include: ['test/bench/**/*.test.ts'],
          execArgv: [...hardened],
          testTimeout: 60_000,
        },
      },
    ],
  },
})
