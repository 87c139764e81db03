/** How this program is called on this machine, for commands that are to be pasted. */

import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** `npx millrace` where it is installed, else the path of what was built in a checkout. */
export function programName(url: string = import.meta.url, folder: string = process.cwd()): string {
  if (url.includes('/node_modules/')) return 'npx millrace'
  const path = fileURLToPath(new URL('main.js', url))
  const fromHere = relative(folder, path)
  return `node ${fromHere.startsWith('..') ? path : fromHere}`
}
