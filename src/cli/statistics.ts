/** The smallest value that at least the share `p` of all does not exceed (nearest rank). Sorts in place. */
export function percentile(values: Float64Array, p: number): number {
  values.sort()
  return values[Math.max(0, Math.ceil(values.length * p) - 1)] ?? Number.NaN
}

export const median = (values: readonly number[]): number => percentile(Float64Array.from(values), 0.5)
