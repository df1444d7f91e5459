import type { Client } from 'pg'
import { inside } from './pg-inside.ts'

/**
 * Gives a client's prepared statements names of their own on the wire: they belong to the server session, which other threads
 * use too, while each thread's driver keeps its own list. Short ones, for the server cuts names at 63 bytes.
 */
export function ownStatementNames(client: Client, namespace: string): void {
  const names = new Map<string, string>()
  const own = (name: string | undefined): string => {
    if (!name) return ''
    const known = names.get(name) ?? `${namespace}_${names.size}`
    names.set(name, known)
    return known
  }
  const { connection } = inside(client)
  const { parse, bind, describe, close } = connection
  Object.assign(connection, {
    parse: (query: Parameters<typeof parse>[0], more?: boolean) =>
      parse.call(connection, query.name ? { ...query, name: own(query.name) } : query, more),
    bind: (config: Parameters<typeof bind>[0], more?: boolean) =>
      bind.call(connection, config.statement ? { ...config, statement: own(config.statement) } : config, more),
    describe: (message: Parameters<typeof describe>[0], more?: boolean) =>
      describe.call(connection, message.type === 'S' ? { ...message, name: own(message.name) } : message, more),
    close: (message: Parameters<typeof close>[0], more?: boolean) =>
      close.call(connection, message.type === 'S' ? { ...message, name: own(message.name) } : message, more),
  })
}
