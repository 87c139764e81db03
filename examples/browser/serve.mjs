// Serves the page, and the client as it is in the package: no bundler.
//
//   millrace serve --create orders --allowed-origins http://127.0.0.1:8080
//   node examples/browser/serve.mjs          then open the address that it prints

import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname } from 'node:path'

const types = { '.html': 'text/html', '.mjs': 'text/javascript', '.js': 'text/javascript' }
const here = new URL('.', import.meta.url)
const client = new URL('..', import.meta.resolve('millrace/client'))

function fileOf(path) {
  if (path === '/') return new URL('index.html', here)
  if (path.startsWith('/millrace/')) return new URL(path.slice('/millrace/'.length), client)
  return new URL(path.slice(1), here)
}

const server = createServer(async ({ url }, response) => {
  // The URL has resolved every `..` in it: nothing outside of the two folders can be named.
  const { pathname } = new URL(url, 'http://localhost')
  try {
    const text = await readFile(fileOf(pathname))
    response.writeHead(200, { 'content-type': types[extname(pathname) || '.html'] ?? 'text/plain' })
    response.end(text)
  } catch {
    response.writeHead(404).end('not found')
  }
})

server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/?stream=orders`)
})
