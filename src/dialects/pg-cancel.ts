import { connect } from 'node:net'

/** What a cancel request needs of a client: where its server is, and which session is meant. */
export interface CancelTarget {
  readonly host: string
  readonly port: number
  readonly processID: number
  readonly secretKey: number
}

const cancelRequestCode = 80877102

/**
 * Asks the server to stop what a session runs, over a connection of its own; settles when the server has taken note by
 * closing it. A cancel request carries no secret but the session's key and needs no login, so it goes in the clear, as libpq sends it.
 */
export function cancel({ host, port, processID, secretKey }: CancelTarget): Promise<void> {
  const request = Buffer.alloc(16)
  request.writeInt32BE(16, 0)
  request.writeInt32BE(cancelRequestCode, 4)
  request.writeInt32BE(processID, 8)
  request.writeInt32BE(secretKey, 12)
  return new Promise((resolve, reject) => {
    const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
    // Nor may this end be closed before: PgBouncer drops the request of a client that has gone.
    socket.once('connect', () => socket.write(request))
    socket.once('error', reject)
    socket.once('close', () => resolve())
    socket.resume()
  })
}
