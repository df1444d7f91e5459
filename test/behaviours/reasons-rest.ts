import type { Reason } from './reasons.ts'

/** Of sections N to U. */
export const reasonsRest: readonly Reason[] = [
  {
    number: 195,
    verdict: 'proved differently',
    reason:
      "A fairy cannot be passed to another thread; when the coordinator ends a loan by its record, its thread's next connect() is a new checkout at once, and nothing throws.",
  },
  {
    number: 196,
    verdict: 'proved differently',
    reason:
      "Whoever ends another thread's loan keeps its own: a thread's checkout is forgotten by identity, as 203 has it.",
  },
  {
    number: 202,
    verdict: 'proved differently',
    reason: 'An option that is ill-typed is refused, so useThreadlocal is a boolean and no string.',
  },
  {
    number: 217,
    verdict: 'proved differently',
    reason:
      'Emptying the record is enough; the connection of a fairy can only be read, and a Node process does not fork.',
  },
  {
    number: 228,
    verdict: 'proved differently',
    reason: 'Whoever empties a record ends its loan, so the fairy is dead and detach() does nothing.',
  },
  {
    number: 246,
    verdict: 'proved differently',
    reason:
      'What is out at a dispose() is left alone, and closed when it comes home instead of kept, so that the counts stay true, as 247 has it.',
  },
  {
    number: 251,
    verdict: 'proved differently',
    reason: 'The copy of the listeners is independent: one that is taken from the old pool stays with the new one.',
  },
  {
    number: 261,
    verdict: 'proved differently',
    reason: 'Listeners belong to one pool; those of a class are registered by its constructor.',
  },
  {
    number: 266,
    verdict: 'proved differently',
    reason: 'Only firstConnect is exclusive, as in 1.3; connect listeners of several connections run side by side.',
  },
  {
    number: 275,
    verdict: 'proved differently',
    reason: 'There is no global set: what is out is known by the slots and by the set of detached connections.',
  },
  {
    number: 276,
    verdict: 'proved differently',
    reason:
      'The coordinator can wait for a driver whenever a fairy is lost, so the connection is reset and returned; that of a dead thread is closed, as 277 has it.',
  },
]
