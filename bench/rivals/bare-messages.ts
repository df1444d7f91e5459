import type { MessagePort } from 'node:worker_threads'
import type { Entrant } from '../contender.ts'
import { Crew } from '../crew.ts'
import { Grants } from './grants.ts'

/** From a thread: a wish, a query on a granted connection, and its return, which has no answer. */
export type BareRequest =
  | readonly [kind: 'checkout', id: number]
  | readonly [kind: 'query', id: number, client: number, text: string]
  | readonly [kind: 'close', client: number]

/** To a thread: what request `id` came to. */
export type BareReply = readonly [id: number, failed: string | undefined, value: unknown]

/** The three steps by messages written by hand for nothing else: what a careful user would write who needs no more than that. */
export const bareMessages: Entrant = {
  name: 'bare messages',
  async open(database, { threads, connections }) {
    const grants = await Grants.open(database, connections)
    const crew = await Crew.startWithPorts('bench-bare', threads, port => serve(port, grants))
    return {
      run: plan => crew.run(plan),
      async close() {
        await crew.close()
        await grants.close()
      },
    }
  },
}

function serve(port: MessagePort, grants: Grants): void {
  const answer = (id: number, value: unknown): void => port.postMessage([id, undefined, value] satisfies BareReply)
  port.on('message', (request: BareRequest) => {
    switch (request[0]) {
      case 'checkout':
        return grants.take(client => answer(request[1], client))
      case 'query': {
        const [, id, client, text] = request
        grants.client(client).query(text, (error: Error | null, result) => {
          if (error) return port.postMessage([id, error.message, undefined] satisfies BareReply)
          const { rows, rowCount, command, fields } = result
          answer(id, { rows, rowCount, command, fields })
        })
        return
      }
      case 'close':
        return grants.give(request[1])
      default:
        request satisfies never
    }
  })
}
