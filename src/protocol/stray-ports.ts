import type { MessagePort } from 'node:worker_threads'

/**
 * Closes the ports that come with messages and that nobody asked for, after the messages have been looked at: one that nobody
 * listens to, with something in it, would stay for ever. `isWanted` is asked with what the port came in.
 */
export function closeStrayPorts(port: MessagePort, isWanted: (stray: MessagePort, message: unknown) => boolean): void {
  port.addEventListener('message', (event: unknown) => {
    const { data, ports } = event as { readonly data: unknown; readonly ports: readonly MessagePort[] }
    for (const stray of ports) if (!isWanted(stray, data)) stray.close()
  })
}
