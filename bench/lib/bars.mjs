// Bars that a figure is held to: `must` has to be reached, `goal` lies beyond it, and `aim` is the
// ambition beyond both. Each may be missing.
const words = {
  below: 'MISSED',
  must: 'met',
  goal: 'goal met',
  aim: 'aim met',
  short: 'aim not met',
}

/** The highest of the bars that `reaches` says yes to; below where it is not the one that has to be. */
export function verdictOf({ must, goal, aim }, reaches) {
  if (must !== undefined && !reaches(must)) return 'below'
  if (aim !== undefined && reaches(aim)) return 'aim'
  if (goal !== undefined && reaches(goal)) return 'goal'
  return must === undefined ? 'short' : 'must'
}

/** The bars that there are, with the verdict; nothing else of what is given. */
export function judged({ must, goal, aim }, reaches) {
  const bars = Object.entries({ must, goal, aim }).filter(([, bar]) => bar !== undefined)
  return { ...Object.fromEntries(bars), verdict: verdictOf({ must, goal, aim }, reaches) }
}

/** 'met, goal MISSED (10 x, goal 50 x, aim 100 x)'. */
export function formatBars({ must, goal, aim, verdict }, show) {
  const bars = [
    ...(must === undefined ? [] : [show(must)]),
    ...(goal === undefined ? [] : [`goal ${show(goal)}`]),
    ...(aim === undefined ? [] : [`aim ${show(aim)}`]),
  ]
  const missed = verdict === 'must' && goal !== undefined ? ', goal MISSED' : ''
  return `${words[verdict]}${missed} (${bars.join(', ')})`
}
