/** What the workers of `createWorkers` run: the user's task, in a scope that gives back what it forgets. */
export { runTask as default } from '../src/worker/task-runner.ts'
