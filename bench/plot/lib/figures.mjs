// The figures, by the names of their files, and the part of the README that shows them.
import { latencyFigure } from './latency.mjs'
import { peersFigure } from './peers.mjs'
import { subscribersFigure } from './subscribers.mjs'

export const figures = {
  subscribers: { title: 'Throughput against subscribers', draw: subscribersFigure },
  latency: { title: 'From a put to its push', draw: latencyFigure },
  peers: { title: 'Beside others, in the same run', draw: peersFigure },
}

export const beginMarker = '<!-- begin: figures drawn by npm run bench:plot -->'
export const endMarker = '<!-- end: figures -->'

/** The text with the figures of these names between its markers. */
export function replaceFigures(text, names) {
  const begin = text.indexOf(beginMarker)
  const end = text.indexOf(endMarker)
  if (begin < 0 || end < begin) throw new Error('the README has lost its two markers')
  const images = names.map((name) => `![${figures[name].title}](bench/plot/figures/${name}.svg)`)
  return `${text.slice(0, begin + beginMarker.length)}\n\n${images.join('\n\n')}\n\n${text.slice(end)}`
}
