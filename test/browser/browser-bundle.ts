/** The client as a page gets it: bundled as a bundler of users would do it, from dist/. */

import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

export interface BrowserBundle {
  readonly text: string
  readonly gzippedBytes: number
  /** Files that went into it. */
  readonly inputs: readonly string[]
}

/** Of the entry that package.json names for browsers. The script hangs `connect` on the window. */
export async function bundleClient(): Promise<BrowserBundle> {
  const contents = `import { connect, MillraceError } from 'millrace/client'
    globalThis.millrace = { connect, MillraceError }`
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: new URL('../..', import.meta.url).pathname },
    bundle: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    minify: true,
    write: false,
    metafile: true,
  })
  const [output] = outputFiles
  if (output === undefined) throw new Error('esbuild has made nothing')
  return {
    text: output.text,
    gzippedBytes: gzipSync(output.contents, { level: 9 }).length,
    inputs: Object.keys(metafile.inputs),
  }
}
