/** A pool's events (behaviour 256). */
export const eventNames = [
  'firstConnect',
  'connect',
  'checkout',
  'checkin',
  'reset',
  'invalidate',
  'softInvalidate',
  'close',
  'detach',
  'closeDetached',
] as const

export type EventName = (typeof eventNames)[number]
