/** How far the demo is: a bar on a terminal, a line for each new step elsewhere. Always on stderr: stdout is for results. */
export class Progress {
  readonly #out: NodeJS.WriteStream
  readonly #total: number
  #done = -1
  #label = ''

  constructor(out: NodeJS.WriteStream, total: number) {
    this.#out = out
    this.#total = total
  }

  /** The next step begins. */
  step(label: string): void {
    this.#done++
    if (this.#out.isTTY) this.#draw(label)
    else if (label !== this.#label) this.#out.write(`${label}\n`)
    this.#label = label
  }

  /** Takes the bar away; what is written next has the line for itself. */
  clear(): void {
    if (this.#out.isTTY) this.#out.write('\r\x1b[2K')
  }

  #draw(label: string): void {
    const width = 24
    const share = Math.min(1, this.#done / this.#total)
    const filled = Math.round(share * width)
    const bar = '█'.repeat(filled) + '░'.repeat(width - filled)
    const line = `${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${label}`
    this.clear()
    this.#out.write(line.slice(0, Math.max(10, (this.#out.columns || 80) - 1)))
  }
}
