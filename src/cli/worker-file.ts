/** A thread entry file of `workers/`, compiled. */
export const workerFile = (name: string): URL => new URL(`../../workers/${name}.js`, import.meta.url)
