/** What a person says about a behaviour that is not simply proved. */
export interface Reason {
  readonly number: number
  /** `proved differently`: the tests that name it prove a deviation. `not applicable`: there is nothing to test. */
  readonly verdict: 'proved differently' | 'not applicable'
  /** One plain sentence. */
  readonly reason: string
}

/** In the order of the numbers. A decision of the specification itself (its "port" lines) needs no reason here. */
export const reasons: readonly Reason[] = [
  {
    number: 15,
    verdict: 'proved differently',
    reason: 'Echo is an option and not a property, so there is nothing that could be assigned later.',
  },
  {
    number: 16,
    verdict: 'proved differently',
    reason:
      'TypeScript refuses to make one of the abstract class; at run time it lacks the four methods instead of failing in them.',
  },
  {
    number: 32,
    verdict: 'proved differently',
    reason: "Counts are taken from the slots, so they can't drift without a limit either.",
  },
  {
    number: 41,
    verdict: 'proved differently',
    reason:
      'Who finds neither an idle place nor a free one queues once and is handed the next, so there is no loop to start again.',
  },
  {
    number: 104,
    verdict: 'proved differently',
    reason:
      'A record is made for a borrower who opens it at once, so it is empty only until then; there is no option for it.',
  },
  {
    number: 107,
    verdict: 'proved differently',
    reason: 'No two events share a tick of the clock, so an invalidation in the very instant of an open is seen.',
  },
  {
    number: 119,
    verdict: 'proved differently',
    reason:
      'An invalidation of the record ends the loan itself, so the fairy is dead at once and nothing is sent to a closed connection.',
  },
  {
    number: 120,
    verdict: 'proved differently',
    reason:
      'An invalidation of the record has ended the loan and checked it in, so the loss of the fairy has nothing left to do.',
  },
  {
    number: 139,
    verdict: 'proved differently',
    reason:
      "A fairy belongs to its thread and can't be handed to another; the pool's owner can end any loan by its record instead.",
  },
  {
    number: 140,
    verdict: 'proved differently',
    reason:
      'An abort during the reset is a failure like any other, so the place is free at once and waits for no collector.',
  },
  {
    number: 141,
    verdict: 'proved differently',
    reason: "The level is an option of the pool and never changes, so it can't change while a fairy is out.",
  },
  {
    number: 153,
    verdict: 'proved differently',
    reason:
      'Ages are measured by a monotonic time and the clock is logical, so a wall clock that jumps changes nothing.',
  },
  {
    number: 175,
    verdict: 'not applicable',
    reason: 'There is no engine above the pool whose error events a ping could raise.',
  },
  {
    number: 183,
    verdict: 'not applicable',
    reason:
      'There is no engine above the pool; whoever begins a transaction sets the agent himself, as 179 to 182 have it.',
  },
  {
    number: 255,
    verdict: 'not applicable',
    reason: "A Node process can't be forked with its sockets, so there is no pool to be swapped without closing.",
  },
  {
    number: 265,
    verdict: 'not applicable',
    reason: 'There is no engine on which a listener could be registered.',
  },
]
