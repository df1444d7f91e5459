const gap = /(?:[\s;(]|--[^\n\r]*)*/y
const word = /[a-z_\u0080-\uffff][\w$\u0080-\uffff]*/iy
const commentEnds = /\/\*|\*\//g

/** The words at the beginning, in lower case, past white space, comments, parentheses and empty statements, until something else comes. */
export function* wordsOf(text: string): Generator<string, undefined> {
  for (let at = skipGap(text, 0); ; ) {
    word.lastIndex = at
    const found = word.exec(text)?.[0]
    if (found === undefined) return undefined
    // Another text may have been looked at before the next word is asked for.
    at = skipGap(text, at + found.length)
    yield found.toLowerCase()
  }
}

function skipGap(text: string, from: number): number {
  for (let at = from; ; ) {
    gap.lastIndex = at
    gap.test(text)
    at = gap.lastIndex
    if (!text.startsWith('/*', at)) return at
    at = skipComment(text, at)
  }
}

/** Comments nest in PostgreSQL. One without an end goes to the end of the text. */
function skipComment(text: string, from: number): number {
  commentEnds.lastIndex = from
  for (let depth = 0, mark = commentEnds.exec(text); mark; mark = commentEnds.exec(text)) {
    depth += mark[0] === '/*' ? 1 : -1
    if (depth === 0) return commentEnds.lastIndex
  }
  return text.length
}

/** Words before `temp` in `create or replace local temp view`. */
const beforeTemp = new Set(['or', 'replace', 'local', 'global'])

/** After a `create`: what follows is to be temporary. */
export function isTemporary(words: Iterable<string>): boolean {
  for (const next of words) {
    if (next === 'temp' || next === 'temporary') return true
    if (!beforeTemp.has(next)) return false
  }
  return false
}

/** Texts that have been looked at: so many, of such a length at most; then it begins anew. */
const mostTexts = 256
const longestText = 16_384

/** Looks at each text once. */
export class Vetting {
  readonly #check: (text: string) => void
  readonly #passed = new Set<string>()

  /** `check` throws for a text that may not be sent. */
  constructor(check: (text: string) => void) {
    this.#check = check
  }

  /** @throws what the check throws. */
  pass(text: string): void {
    if (this.#passed.has(text)) return
    this.#check(text)
    if (text.length > longestText) return
    if (this.#passed.size === mostTexts) this.#passed.clear()
    this.#passed.add(text)
  }
}
