import type { Spot } from '../support/fault.ts'

/** One stage in the life of a connection that can go wrong: what its caller sees, what is logged, what is told. */
export interface Stage {
  readonly name: string
  readonly spot: Spot
  /** What has been before, in a pool of one place: nothing; one that is at home, or was emptied; one that is out, or detached. */
  readonly from: 'new' | 'home' | 'emptied' | 'lent' | 'detached'
  readonly act: 'connect' | 'close' | 'invalidate' | 'soft invalidate' | 'detach' | 'dispose'
  readonly caller: 'told' | 'not told'
  /** What the act has not done to the fairy, so that it must still be closed. */
  readonly keeps?: 'lent' | 'detached'
  /** Another spot that goes wrong before. */
  readonly after?: Spot
  /** Lines of warnings and errors. */
  readonly log: readonly string[]
  /** Events from then on, those of who gets the place next included; `(why)` is an error. */
  readonly events: readonly string[]
  /** Whose deadline ends it when it never settles; absent: there is none. */
  readonly deadline?: 'connect' | 'caller' | 'reset' | 'close'
}

const next = (number: number): string[] => [`on connect ${number}`, `on checkout ${number}`]
const replaced = (number: number): string[] => [`on invalidate ${number} (why)`, `on close ${number}`, 'on checkin -']
const cameHome = ['on reset 1', 'on checkin 1', 'on checkout 1']
const notReset = 'error: a connection could not be reset and is replaced.'
const notClosed = 'error: closing a connection failed.'

export const stages: readonly Stage[] = [
  {
    name: 'the creator, for a new place (27, 278)',
    spot: 'creator',
    from: 'new',
    act: 'connect',
    caller: 'told',
    log: [],
    events: ['on firstConnect 1', ...next(1)],
    deadline: 'connect',
  },
  {
    name: 'the creator, for an emptied place (28, 279)',
    spot: 'creator',
    from: 'emptied',
    act: 'connect',
    caller: 'told',
    log: [],
    events: ['on checkin -', ...next(2)],
    deadline: 'connect',
  },
  {
    name: 'a firstConnect listener (259, 280)',
    spot: 'firstConnect',
    from: 'new',
    act: 'connect',
    caller: 'told',
    log: [],
    events: ['on firstConnect 1', 'on firstConnect 2', ...next(2)],
    deadline: 'connect',
  },
  {
    name: 'a connect listener, for a new place (27, 280)',
    spot: 'connect',
    from: 'new',
    act: 'connect',
    caller: 'told',
    log: [],
    events: ['on firstConnect 1', 'on connect 1', ...next(2)],
    deadline: 'connect',
  },
  {
    name: 'a connect listener, for an emptied place (281)',
    spot: 'connect',
    from: 'emptied',
    act: 'connect',
    caller: 'told',
    log: [],
    events: ['on connect 2', ...replaced(2), ...next(3)],
    deadline: 'connect',
  },
  {
    name: 'the ping (168, 282)',
    spot: 'ping',
    from: 'home',
    act: 'connect',
    caller: 'told',
    log: [],
    events: [...replaced(1), ...next(2)],
    deadline: 'caller',
  },
  {
    name: 'a checkout listener (215, 282)',
    spot: 'checkout',
    from: 'home',
    act: 'connect',
    caller: 'told',
    log: [],
    events: ['on checkout 1', ...replaced(1), ...next(2)],
    deadline: 'caller',
  },
  {
    name: 'the reset (184, 283)',
    spot: 'rollback',
    from: 'lent',
    act: 'close',
    caller: 'not told',
    log: [notReset],
    events: ['on reset 1', ...replaced(1), ...next(2)],
    deadline: 'reset',
  },
  {
    name: 'a reset listener (184, 284)',
    spot: 'reset',
    from: 'lent',
    act: 'close',
    caller: 'not told',
    log: [notReset],
    events: ['on reset 1', ...replaced(1), ...next(2)],
    deadline: 'reset',
  },
  {
    name: 'a checkin listener (285)',
    spot: 'checkin',
    from: 'lent',
    act: 'close',
    caller: 'told',
    log: [],
    events: cameHome,
  },
  {
    name: 'a checkin listener, after an invalidation (285)',
    spot: 'checkin',
    from: 'lent',
    act: 'invalidate',
    caller: 'told',
    log: [],
    events: [...replaced(1), ...next(2)],
  },
  {
    name: 'a finalize callback (244, 286)',
    spot: 'finalize callback',
    from: 'lent',
    act: 'close',
    caller: 'not told',
    log: ['error: a finalize callback failed.'],
    events: cameHome,
  },
  {
    name: 'an invalidate listener (287)',
    spot: 'invalidate',
    from: 'lent',
    act: 'invalidate',
    caller: 'told',
    keeps: 'lent',
    log: [],
    events: ['on invalidate 1 (why)', ...cameHome],
  },
  {
    name: 'an invalidate listener, after a reset that has failed (288)',
    after: 'rollback',
    spot: 'invalidate',
    from: 'lent',
    act: 'close',
    caller: 'not told',
    log: [notReset, 'error: an invalidate listener failed.'],
    events: ['on reset 1', ...replaced(1), ...next(2)],
  },
  {
    name: 'a softInvalidate listener (289)',
    spot: 'softInvalidate',
    from: 'lent',
    act: 'soft invalidate',
    caller: 'told',
    keeps: 'lent',
    log: [],
    events: ['on softInvalidate 1 (why)', ...cameHome],
  },
  {
    name: 'a close listener (290)',
    spot: 'close',
    from: 'lent',
    act: 'invalidate',
    caller: 'not told',
    log: ['error: a close listener failed.'],
    events: [...replaced(1), ...next(2)],
  },
  {
    name: "the driver's close (291)",
    spot: 'driver close',
    from: 'home',
    act: 'dispose',
    caller: 'not told',
    log: [notClosed],
    events: ['on close 1', ...next(2)],
    deadline: 'close',
  },
  {
    name: "the driver's terminate (291)",
    spot: 'terminate',
    from: 'lent',
    act: 'invalidate',
    caller: 'not told',
    log: [notClosed],
    events: [...replaced(1), ...next(2)],
    deadline: 'close',
  },
  {
    name: 'a detach listener (234, 293)',
    spot: 'detach',
    from: 'lent',
    act: 'detach',
    caller: 'told',
    keeps: 'detached',
    log: [],
    events: ['on detach 1', ...next(2), 'on reset 1', 'on closeDetached 1'],
  },
  {
    name: 'the reset of a detached connection (188)',
    spot: 'rollback',
    from: 'detached',
    act: 'close',
    caller: 'not told',
    log: ['error: a detached connection could not be reset.'],
    events: ['on reset 1', 'on closeDetached 1', ...next(2)],
    deadline: 'reset',
  },
  {
    name: 'a closeDetached listener (292)',
    spot: 'closeDetached',
    from: 'detached',
    act: 'close',
    caller: 'not told',
    log: ['error: a closeDetached listener failed.'],
    events: ['on reset 1', 'on closeDetached 1', ...next(2)],
  },
  {
    name: "the driver's close of a detached connection (291)",
    spot: 'driver close',
    from: 'detached',
    act: 'close',
    caller: 'not told',
    log: [notClosed],
    events: ['on reset 1', 'on closeDetached 1', ...next(2)],
    deadline: 'close',
  },
]
