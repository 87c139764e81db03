// Just enough of C++ to measure functions and to read comments: no compiler is needed for it.

/** Raw strings, strings, characters (not the separators of 1'000) and comments. */
const nonCode = new RegExp(
  [
    /R"([^(\s]*)\([\s\S]*?\)\1"/,
    /"(?:\\.|[^"\\\n])*"/,
    /(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'/,
    /\/\/[^\n]*/,
    /\/\*[\s\S]*?\*\//,
  ]
    .map((it) => it.source)
    .join('|'),
  'g',
)

/** The text with comments, literals and preprocessor lines blanked; every line keeps its place. */
export function blankNonCode(text: string): string {
  const blank = (part: string) => part.replace(/[^\n]/g, ' ')
  return text.replace(nonCode, blank).replace(/^[ \t]*#(?:[^\n]*\\\n)*[^\n]*/gm, blank)
}

export interface FunctionSpan {
  /** What stands before its body, on one line. */
  readonly head: string
  readonly firstLine: number
  readonly lineCount: number
}

type Scope = { kind: 'open' | 'function' | 'inner'; head: string; firstLine: number }

/** What a brace opens, from the text between the last statement and it. */
function kindOf(head: string, outer: Scope | undefined): Scope['kind'] {
  if (outer !== undefined && outer.kind !== 'open') return 'inner'
  if (/\b(?:namespace|enum|extern)\b/.test(head) && !head.includes('(')) return 'open'
  // The head of a class may have parentheses, in an attribute; that of a function has no such word.
  if (/^(?:template\s*<.*>\s*)?(?:class|struct|union)\b/.test(head)) return 'open'
  return /\)|\boperator\b/.test(head) ? 'function' : 'inner'
}

/**
 * The functions of a C++ file with their length, from the first line of the head to the closing
 * brace. Bodies inside a function (lambdas, local classes) count as part of it.
 */
export function functionsOf(text: string): FunctionSpan[] {
  const code = blankNonCode(text)
  const found: FunctionSpan[] = []
  const scopes: Scope[] = []
  let head = ''
  let headLine = 1
  let line = 1
  for (const character of code) {
    if (character === '{') {
      const trimmed = head.replace(/\s+/g, ' ').trim()
      scopes.push({ kind: kindOf(trimmed, scopes.at(-1)), head: trimmed, firstLine: headLine })
      head = ''
    } else if (character === '}') {
      const scope = scopes.pop()
      if (scope?.kind === 'function') {
        const lineCount = line - scope.firstLine + 1
        found.push({ head: scope.head, firstLine: scope.firstLine, lineCount })
      }
      head = ''
    } else if (
      character === ';' ||
      /^\s*(?:public|private|protected)\s*:$/.test(head + character)
    ) {
      head = ''
    } else {
      if (head.trim() === '' && character.trim() !== '') {
        head = ''
        headLine = line
      }
      head += character
    }
    if (character === '\n') line += 1
  }
  return found
}

/** What stands in comments, by line: of C++ and TypeScript, of CMake and shell (`#`). */
export function commentsOf(text: string, path: string): { line: number; comment: string }[] {
  const hash = /(?:\.txt|\.gyp|\.sh|\.clang-tidy|\.ci\/run|\.gitignore)$/.test(path)
  const found: { line: number; comment: string }[] = []
  let inBlock = false
  text.split('\n').forEach((content, index) => {
    let comment = ''
    if (inBlock) {
      comment = content
    } else if (hash) {
      comment = /(?:^|\s)#(.*)$/.exec(content)?.[1] ?? ''
    } else {
      comment = /(?:^|[^:'"`])\/\/(.*)$/.exec(content)?.[1] ?? /\/\*(.*)$/.exec(content)?.[1] ?? ''
    }
    if (!hash) {
      const opened = content.lastIndexOf('/*')
      const closed = content.lastIndexOf('*/')
      if (closed >= 0 && closed > opened) inBlock = false
      else if (opened >= 0 && /(?:^|\s)\/\*/.test(content)) inBlock = true
    }
    if (comment !== '') found.push({ line: index + 1, comment })
  })
  return found
}
