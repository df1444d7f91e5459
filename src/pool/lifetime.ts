/** By how much a lifetime is shortened at most. */
const spread = 0.1

/** Its multiples fall between each other as evenly as can be, however many there are. */
const goldenRatio = (Math.sqrt(5) - 1) / 2

/**
 * How long a connection of this generation may live, of `maxLifetimeMs`. Connections that were opened one after another have
 * generations that follow each other: of n, no two end within 0.38 × a tenth of the lifetime / n, where chance would let some
 * coincide; and the same connection has the same lifetime whenever it is asked for.
 */
export function lifetimeOf(generation: number, maxLifetimeMs: number): number {
  const fraction = ((generation >>> 0) * goldenRatio) % 1
  return maxLifetimeMs * (1 - spread * fraction)
}
