import { defineConfig } from 'vitest/config'
import { hardened } from './test/support/hardened.ts'

/** A project is a folder of test/; one without files yet is no error. */
const project = (
  name: string,
  options: { fileParallelism?: boolean; testTimeout?: number } = {},
) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], ...options },
})

export default defineConfig({
  test: {
    // A crash of native code loses one file, not the run.
    pool: 'forks',
    execArgv: ['--expose-gc', ...hardened],
    maxWorkers: 2,
    passWithNoTests: true,
    projects: [
      project('unit'),
      project('format'),
      project('seam', { testTimeout: 60_000 }),
      project('model', { testTimeout: 60_000 }),
      project('e2e', { fileParallelism: false, testTimeout: 60_000 }),
      project('crash', { fileParallelism: false, testTimeout: 120_000 }),
      project('tidy', { testTimeout: 60_000 }),
      {
        extends: true,
        test: { name: 'bench', include: ['test/bench/**/*.test.ts'], testTimeout: 60_000 },
      },
    ],
  },
})
