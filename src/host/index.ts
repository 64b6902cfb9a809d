import { ProaError } from '../kernel/errors.ts';
import type { StartHost } from './host-api.ts';

export type * from './host-api.ts';

/** Starts the runtimes of all apps in this process (see `StartHost`). */
export const startHost: StartHost = async () => {
  throw new ProaError('unimplemented', 'this build has no host');
};
