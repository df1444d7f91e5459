import type { Client } from 'pg'
import { isDriverAtRest } from './pg-inside.ts'
import { socketOf } from './pg-socket.ts'

/** True when the driver waits for nothing, and what it has read ends with a whole message. */
export const isAtRest = (client: Client): boolean =>
  isDriverAtRest(client) && socketOf(client)?.isBetweenMessages !== false

/** Settles when nothing is under way on a client any more, or when its session is gone. */
export function settled(client: Client): Promise<void> {
  if (isAtRest(client)) return Promise.resolve()
  return new Promise(resolve => {
    const socket = socketOf(client)
    const look = (): void => {
      if (!isAtRest(client)) return
      done()
    }
    const done = (): void => {
      client.off('drain', look)
      client.off('end', done)
      socket?.off('data', look)
      resolve()
    }
    client.on('drain', look)
    client.once('end', done)
    // Registered after the driver's own: half a message that nobody asked for ends with the bytes that follow.
    socket?.on('data', look)
  })
}
