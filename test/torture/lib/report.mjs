// What a run prints: one line per test, a progress line for those that take longer than a second,
// one line at the end.
import { formatCount, formatSeconds, passText } from './bound.mjs'

const PROGRESS_AFTER_MILLIS = 1000
const TTY_INTERVAL_MILLIS = 100
const PLAIN_INTERVAL_MILLIS = 15_000 // a log file is read later: few lines

export class Report {
  #out
  #isTty
  #now
  #current = null
  #progressShown = false

  // `out` is a writable stream; `now` a clock in milliseconds that tests replace.
  constructor({
    out = process.stdout,
    isTty = out.isTTY === true,
    now = () => performance.now(),
  } = {}) {
    this.#out = out
    this.#isTty = isTty
    this.#now = now
  }

  line(text) {
    this.#clearProgress()
    this.#out.write(`${text}\n`)
  }

  start(test) {
    const startedAt = this.#now()
    const firstAt = startedAt + PROGRESS_AFTER_MILLIS
    this.#current = { test, startedAt, nextAt: firstAt }
  }

  // Called as often as a test likes; prints rarely.
  progress(done, total, note = '') {
    const current = this.#current
    if (current === null || this.#now() < current.nextAt) return
    const interval = this.#isTty ? TTY_INTERVAL_MILLIS : PLAIN_INTERVAL_MILLIS
    current.nextAt = this.#now() + interval
    const counted = total ? `${formatCount(done)} of ${formatCount(total)}` : formatCount(done)
    const text =
      `...     ${current.test.id.padEnd(6)} ${counted} ${current.test.unit}, ` +
      `${formatSeconds(this.#now() - current.startedAt)}${note && `, ${note}`}`
    this.#out.write(this.#isTty ? `\r\x1b[K${text.slice(0, 118)}` : `${text}\n`)
    this.#progressShown = this.#isTty
  }

  // `result` is what runner.mjs makes of a test.
  finish(result) {
    this.#current = null
    const head = `${result.outcome.padEnd(7)} ${result.id.padEnd(6)} ${result.title}`
    if (result.outcome === 'SKIPPED') {
      this.line(`${head} (${result.reason})`)
      return
    }
    const time = formatSeconds(result.millis)
    if (result.outcome === 'PASS') {
      const note = result.note ? `; ${result.note}` : ''
      this.line(`${head}: ${passText(result.trials, result.unit)}${note}, ${time}`)
      for (const line of result.lines ?? []) this.line(`        ${line}`)
      return
    }
    this.line(`${head}: ${result.reason} (${time})`)
    this.line(`        replay: ${result.replay}`)
    if (result.kept) this.line(`        kept:   ${result.kept}`)
  }

  summary(results) {
    const count = (outcome) => results.filter((result) => result.outcome === outcome).length
    this.line(`${count('PASS')} passed, ${count('FAIL')} failed, ${count('SKIPPED')} skipped`)
  }

  #clearProgress() {
    if (!this.#progressShown) return
    this.#out.write('\r\x1b[K')
    this.#progressShown = false
  }
}
