import { within } from '../base/deadlines.ts'
import { shown } from '../base/holder.ts'
import type { Told } from '../pool/custody.ts'
import type { HeldFacts } from '../protocol/messages.ts'

/** So much of a stack is taken from a thread. */
const mostStack = 8000

/** Asks one attached thread what it holds: one question at a time, for all who want to know. */
export class Inquiry {
  readonly #post: () => void
  #underWay: Promise<readonly Told[] | undefined> | undefined
  #answer: (told: readonly Told[] | undefined) => void = () => {}
  /** It has been waited for in vain already: nobody waits for it again until it has answered. */
  #isSilent = false

  constructor(post: () => void) {
    this.#post = post
  }

  async ask(ms: number): Promise<readonly Told[] | undefined> {
    if (this.#isSilent) return undefined
    this.#underWay ??= new Promise(resolve => {
      this.#answer = resolve
      this.#post()
    })
    return within(this.#underWay, ms, () => new Error('no answer')).catch(() => {
      this.#isSilent = this.#underWay !== undefined
      return undefined
    })
  }

  /** The thread has answered. */
  answered(facts: readonly HeldFacts[]): void {
    this.#settle(facts.map(cutShort))
  }

  /** The thread is gone. */
  end(): void {
    this.#settle(undefined)
  }

  #settle(told: readonly Told[] | undefined): void {
    this.#underWay = undefined
    this.#isSilent = false
    this.#answer(told)
  }
}

/** No more is kept of what a thread says than somebody may be shown. */
const cutShort = ({ lease, task, stack, statement }: HeldFacts): Told => ({
  lease,
  task: task && shown(task),
  stack: stack?.slice(0, mostStack),
  statement: statement && shown(statement),
})
