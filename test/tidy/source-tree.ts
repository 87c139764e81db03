// The text of the project as the tidy tests read it: what a checkout holds, without what is built
// or installed.
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root: string = fileURLToPath(new URL('../..', import.meta.url))

/** The files of the root folder that people write; the others are made by tools. */
const topFolders = ['src', 'native', 'test', 'bench', 'examples', '.ci']
const generated = new Set(['package-lock.json'])

export interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string
  readonly text: string
}

/** Paths of all files below a folder, from the root, in order; [] where there is no such folder. */
function walk(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
}

const binary = new Set(['.bin', '.patch', '.seg', '.idx', '.gz', '.png'])
const names = readdirSync(root, { withFileTypes: true })

/** Every file of the project, by its path. */
export const paths: readonly string[] = [
  ...names.filter((it) => it.isFile() && !generated.has(it.name)).map((it) => it.name),
  ...topFolders.filter((it) => names.some((name) => name.name === it)).flatMap(walk),
]

/** The files with one of these extensions, such as `.cc`, read. */
export function filesWith(...extensions: string[]): SourceFile[] {
  return paths
    .filter((path) => extensions.includes(extname(path)))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

/** Every file that holds text. */
export function textFiles(): SourceFile[] {
  return paths
    .filter((path) => !binary.has(extname(path)) && !path.startsWith('test/format/golden/'))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

/** Lines of a file with their numbers, for messages such as `native/base/status.h:12`. */
export function* linesOf(file: SourceFile): Generator<{ place: string; line: string }> {
  let number = 0
  for (const line of file.text.split('\n')) {
    number += 1
    yield { place: `${file.path}:${number}`, line }
  }
}
