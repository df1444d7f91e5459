import type { Client } from 'pg'
import { within } from '../base/deadlines.ts'
import { ignore } from '../base/maybe-async.ts'
import { cancel } from './pg-cancel.ts'
import { inside } from './pg-inside.ts'
import type { PgPooler } from './pg-pooler.ts'
import { socketOf } from './pg-socket.ts'

/** How long the server may take to close a session after the first cancel, in milliseconds, before the next; each time twice as long. */
const firstPauseMs = 5

/**
 * Ends a session whose user has died over it, whatever it runs: settles when the server has closed it. What is still to come is
 * read and thrown away, for it may begin in the middle of a message. A cancel that overtakes its statement is void, so it is
 * repeated, until the socket is closed from either side.
 *
 * A pooler between knows nothing to cancel of a client that has gone, and what it ran would go on: so the cancel comes first. Nor is it
 * told again to cancel for one that has gone: PgBouncer 1.18 falls over that (pgbouncer#801).
 */
export async function abandon(client: Client, pooler: PgPooler | undefined): Promise<void> {
  const socket = socketOf(client)
  if (socket === undefined || socket.destroyed) return
  let isClosed = false
  const closed = new Promise<void>(resolve => {
    socket.once('close', () => {
      isClosed = true
      resolve()
    })
  })
  socket.discard()
  for (let pause = firstPauseMs; !isClosed; pause *= 2) {
    await cancel(inside(client)).catch(ignore)
    // A session that runs nothing ends by this alone.
    socket.end()
    if (pooler !== undefined) return closed
    await within(closed, pause, () => new Error('not yet')).catch(ignore)
  }
}
