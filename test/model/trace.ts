/**
 * What one step of a walk must say, in its order. Where two things go on side by side each has a branch: its lines come after
 * those that its trunk had when it began, and in any order with what the trunk says later.
 */
export class Trace {
  readonly #lines: string[] = []
  readonly #branches: { readonly trace: Trace; readonly after: number }[] = []

  say(line: string): void {
    this.#lines.push(line)
  }

  branch(): Trace {
    const trace = new Trace()
    this.#branches.push({ trace, after: this.#lines.length })
    return trace
  }

  /** One of the orders that are allowed: the one of `heard` as far as it is, then that of the branches. */
  along(heard: readonly string[]): string[] {
    const all = this.#flat()
    const longest = follow(all, heard, [], 0)
    const rest = all.flatMap(({ trace }, i) => trace.#lines.slice(longest.at[i] ?? 0))
    return [...heard.slice(0, longest.length), ...rest]
  }

  #flat(): Limb[] {
    const limbs: Limb[] = [{ trace: this, lines: this.#lines, trunk: 0, after: 0 }]
    for (let i = 0; i < limbs.length; i++) {
      for (const { trace, after } of limbs[i]!.trace.#branches)
        limbs.push({ trace, lines: trace.#lines, trunk: i, after })
    }
    return limbs
  }
}

interface Limb {
  readonly trace: Trace
  readonly lines: readonly string[]
  /** The index of the limb that it grows from, and where. */
  readonly trunk: number
  readonly after: number
}

interface Followed {
  readonly length: number
  /** How far each limb has come. */
  readonly at: readonly number[]
}

/** The longest part of `heard` that the limbs explain, from how far they have come. Equal lines of two limbs are tried both ways. */
function follow(limbs: readonly Limb[], heard: readonly string[], at: readonly number[], length: number): Followed {
  let longest: Followed = { length, at }
  for (const [i, { lines, trunk, after }] of limbs.entries()) {
    const come = at[i] ?? 0
    if (length === heard.length || lines[come] !== heard[length] || (at[trunk] ?? 0) < after) continue
    const further = follow(
      limbs,
      heard,
      Array.from(limbs, (_, j) => (at[j] ?? 0) + (i === j ? 1 : 0)),
      length + 1,
    )
    if (further.length > longest.length) longest = further
    if (longest.length === heard.length) break
  }
  return longest
}
