export { createWorkers, type WorkersOptions } from './coordinator/workers.ts'
