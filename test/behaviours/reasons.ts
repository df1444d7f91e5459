/** What a person says about a behaviour that is not simply proved. */
export interface Reason {
  readonly number: number
  /** `proved differently`: the tests that name it prove a deviation. `not applicable`: there is nothing to test. */
  readonly verdict: 'proved differently' | 'not applicable'
  /** One plain sentence. */
  readonly reason: string
}

export const reasons: readonly Reason[] = []
