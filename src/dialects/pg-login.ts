import type { Client } from 'pg'
import { inside, type ParameterStatus } from './pg-inside.ts'

const authenticationOk = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0])
const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])

/** One message of the server's: type, length, body (PostgreSQL manual, 'Message Formats'). */
function message(type: 'S' | 'K', body: Buffer): Buffer {
  const header = Buffer.alloc(5)
  header.write(type, 0, 'latin1')
  header.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([header, body])
}

function backendKeyData({ processID, secretKey }: { readonly processID: number; readonly secretKey: number }): Buffer {
  const body = Buffer.alloc(8)
  body.writeInt32BE(processID, 0)
  body.writeInt32BE(secretKey, 4)
  return message('K', body)
}

const recordings = new WeakMap<Client, ParameterStatus[]>()

/** Writes down what the server says of the session while `client` logs in. Call it before `connect()`. */
export function recordLogin(client: Client): void {
  const settings: ParameterStatus[] = []
  recordings.set(client, settings)
  inside(client).connection.on('parameterStatus', setting => {
    settings.push(setting)
  })
}

/** What the server would say to a login now, had it not been said long ago; no login was asked for, so there is no secret in it but the session's key to a cancel. */
export function loginOf(client: Client): Uint8Array {
  const settings = new Map((recordings.get(client) ?? []).map(each => [each.parameterName, each.parameterValue]))
  const said = [...settings].map(([name, value]) => message('S', Buffer.from(`${name}\0${value}\0`)))
  return new Uint8Array(Buffer.concat([authenticationOk, ...said, backendKeyData(inside(client)), readyForQuery]))
}
