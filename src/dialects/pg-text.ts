import { EmptyRow } from './pg-empty-row.ts'

/** So many texts are remembered; then it begins anew. */
const mostTexts = 256

/** A longer text is not worth its room. */
const longestText = 16_384

const texts = new Map<string, PgText>()

/** What is the same in all statements of one text, so that it is made once. */
export class PgText {
  /** What follows the name in a Parse message: the text, and that the types of its parameters are as the server finds them. */
  readonly parseTail: Buffer
  /** Parse as an unnamed statement. */
  readonly parse: Buffer
  readonly emptyRow: EmptyRow = new EmptyRow()

  constructor(text: string) {
    this.parseTail = Buffer.from(`${text}\0\0\0`)
    this.parse = parseMessage('', this.parseTail)
  }

  static of(text: string): PgText {
    const known = texts.get(text)
    if (known) return known
    const made = new PgText(text)
    if (text.length > longestText) return made
    if (texts.size === mostTexts) texts.clear()
    texts.set(text, made)
    return made
  }
}

/** A statement of this name, or an unnamed one. */
export function parseMessage(name: string, tail: Uint8Array): Buffer {
  const message = Buffer.allocUnsafe(1 + 4 + name.length + 1 + tail.length)
  message.write('P', 'latin1')
  message.writeInt32BE(message.length - 1, 1)
  message.write(`${name}\0`, 5, 'latin1')
  message.set(tail, 5 + name.length + 1)
  return message
}

/** A message about a prepared statement: `D` describes it, `C` closes it, whether there is one or not. */
export function aboutStatement(code: 'D' | 'C', name: string): Buffer {
  const message = Buffer.allocUnsafe(1 + 4 + 1 + name.length + 1)
  message.write(code, 'latin1')
  message.writeInt32BE(message.length - 1, 1)
  message.write(`S${name}\0`, 5, 'latin1')
  return message
}
