import type { MessagePort } from 'node:worker_threads'
import { type Endpoint, expose } from 'comlink'
import type { QueryResult } from 'pg'
import type { Entrant } from '../contender.ts'
import { Crew } from '../crew.ts'
import { Grants } from './grants.ts'

/** The three steps as Comlink offers them to a thread. */
export interface ComlinkSteps {
  checkout(): Promise<number>
  query(client: number, text: string): Promise<Pick<QueryResult, 'rows' | 'rowCount' | 'command' | 'fields'>>
  close(client: number): void
}

/** Node's ports have the methods that Comlink asks of an endpoint; only their types differ. */
export const endpointOf = (port: MessagePort): Endpoint => port as unknown as Endpoint

/** The three steps by Comlink calls. */
export const comlinkCalls: Entrant = {
  name: 'Comlink calls',
  async open(database, { threads, connections }) {
    const grants = await Grants.open(database, connections)
    const steps: ComlinkSteps = {
      checkout: () => new Promise<number>(resolve => grants.take(resolve)),
      async query(client, text) {
        const { rows, rowCount, command, fields } = await grants.client(client).query(text)
        return { rows, rowCount, command, fields }
      },
      close: client => grants.give(client),
    }
    const crew = await Crew.startWithPorts('bench-comlink', threads, port => expose(steps, endpointOf(port)))
    return {
      run: plan => crew.run(plan),
      async close() {
        await crew.close()
        await grants.close()
      },
    }
  },
}
