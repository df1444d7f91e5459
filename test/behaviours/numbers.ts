const range = String.raw`\d{1,3}(?:-\d{1,3})?`
const ending = new RegExp(String.raw`(?:^|\s)\((${range}(?:, ${range})*)(?:: [^()]*)?\)$`)

/** The highest number that a title may name; those beyond the last behaviour are context. */
const highest = 324

/**
 * The behaviours that a title says it proves: the numbers in the parentheses with which it ends, in ascending order, such as
 * (24), (117, 118), (146-148, 152) or (200, 203: cleared by identity). Other numbers in parentheses are none: those within
 * the title, such as (1, 0, 0, 1), and lists that don't ascend.
 */
export function behavioursOf(title: string): readonly number[] {
  const list = ending.exec(title.trim())?.[1]
  if (list === undefined) return []
  const numbers = list.split(', ').flatMap(each => {
    const [first, last = first] = each.split('-').map(Number) as [number, number?]
    // A range that runs backwards has no numbers, and spoils the list.
    return last < first ? [0] : Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
  const isAscending = numbers.every((number, i) => number > (numbers[i - 1] ?? 0) && number <= highest)
  return isAscending ? numbers : []
}
