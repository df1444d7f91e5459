/** Called with the connection at its next checkin, last one first (behaviours 241-244). */
export type FinalizeCallback<C> = (connection: C) => unknown
