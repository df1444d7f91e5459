import type { Reason } from './reasons.ts'

/** Of the abstract pool, and of the classes but `QueuePool`. */
export const reasonsOfClasses: readonly Reason[] = [
  {
    number: 16,
    verdict: 'proved differently',
    reason: 'The abstract base can’t be made at all, instead of failing at each verb.',
  },
  {
    number: 70,
    verdict: 'proved differently',
    reason: 'Each fairy of a StaticPool has a loan of its own, so each close is a reset and a checkin event.',
  },
  {
    number: 71,
    verdict: 'proved differently',
    reason:
      'Each fairy of a StaticPool has a loan of its own, so each that is lost comes home, whichever is the newest.',
  },
  {
    number: 72,
    verdict: 'proved differently',
    reason:
      'The other fairies are over a closed connection as upstream, but the close of each is a checkin event, without a connection, and touches no later one.',
  },
  {
    number: 82,
    verdict: 'proved differently',
    reason:
      'The close of a uniqueConnection() leaves the thread’s nested checkout alone: slots are cleared by identity.',
  },
  {
    number: 83,
    verdict: 'proved differently',
    reason: 'A return clears the slot of the thread that has borrowed, and only of this fairy, whoever closes.',
  },
  {
    number: 84,
    verdict: 'proved differently',
    reason: 'A newcomer closes connections that nobody uses, and none that are in use, before it opens its own.',
  },
  {
    number: 85,
    verdict: 'proved differently',
    reason: 'Only dispose() closes a connection that a thread is using, and its later close touches no later one.',
  },
  {
    number: 86,
    verdict: 'proved differently',
    reason:
      'There are more connections than poolSize as long as all are in use, and whoever comes home then is closed.',
  },
  {
    number: 90,
    verdict: 'proved differently',
    reason: 'When a thread ends, its connection is closed and its record is forgotten.',
  },
  {
    number: 91,
    verdict: 'proved differently',
    reason: 'The status has the class and the number of connections; objects have no id in JavaScript.',
  },
  {
    number: 99,
    verdict: 'proved differently',
    reason: 'A connection that is out at a dispose() is closed when it comes home, and its close() is a normal one.',
  },
  {
    number: 100,
    verdict: 'not applicable',
    reason: 'A record comes home only by the loan that its own pool has made, so no pool can be given a foreign one.',
  },
]
