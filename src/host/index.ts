export type * from './host-api.ts';
export { startHost, startInRole } from './host.ts';
export { runWorker } from './workers/worker.ts';
