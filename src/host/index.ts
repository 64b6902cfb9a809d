export type * from './host-api.ts';
export { startHost } from './host.ts';
