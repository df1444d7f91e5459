/** What can stand in one chain at a time. The links are the chain's own. */
export abstract class Link {
  /** @internal */
  before: this | undefined
  /** @internal */
  after: this | undefined
}

/**
 * A queue whose members can leave from anywhere, each step a few stores. A Map or a Set in its place would make new tables all
 * the time, each holding the next one once it is old: all that ever stood in them would survive until the next full collection
 * (measured: 700 bytes a checkout).
 */
export class Chain<L extends Link> {
  #first: L | undefined
  #last: L | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): L | undefined {
    return this.#first
  }

  /** At the end. It must stand in no chain. */
  add(link: L): void {
    const last = this.#last
    link.before = last
    if (last === undefined) this.#first = link
    else last.after = link
    this.#last = link
    this.#size++
  }

  has(link: L): boolean {
    return link.before !== undefined || this.#first === link
  }

  /** False when it does not stand here. It must not stand in another chain. */
  delete(link: L): boolean {
    if (!this.has(link)) return false
    const { before, after } = link
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    // What has left must not hold what stays: once old, it would keep all that came after it alive.
    link.before = undefined
    link.after = undefined
    this.#size--
    return true
  }

  /** In the order of their coming; the one that was given last may be deleted meanwhile. */
  *[Symbol.iterator](): Generator<L, void> {
    for (let link = this.#first; link !== undefined; ) {
      const { after } = link
      yield link
      link = after
    }
  }
}
