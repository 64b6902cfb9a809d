import { ProaError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';
import type { AppRuntime } from './app-runtime.ts';
import { applyChanges, summaryOf } from './apply-changes.ts';
import type { LoadOptions } from './config/load-resources.ts';
import type { LoadedResources } from './config/model.ts';
import { type ResourcesDiff, watchResources } from './config/watch-resources.ts';
import { logProblems } from './tell-problems.ts';

export interface FollowedRuntime {
  readonly ports: Ports;
  readonly log: Logger;
  readonly runtime: AppRuntime;
  readonly load: LoadOptions;
  /** What is in effect. */
  readonly resources: LoadedResources;
  readonly reconcileMs: number;
  readonly graceMs: number;
}

/** Follows the files of a runtime in the process of its app: policies, components and subscriptions that change are exchanged while it runs. */
export function followFiles({ ports, log, runtime, load, resources, reconcileMs, graceMs }: FollowedRuntime): { close(): Promise<void> } {
  const changed = async (diff: ResourcesDiff): Promise<void> => {
    try {
      await applyChanges(runtime, diff, graceMs);
      // The process is the app's: nobody may restart anything in it.
      if (diff.restart) log.warn('a Configuration or an HTTPEndpoint changed: it takes effect when the runtime is opened again');
      else log.info(`the files are in effect: ${summaryOf(diff)}`);
    } catch (error) {
      log.error('the files could not be put into effect', { error: ProaError.from(error).message });
    }
  };
  return watchResources({
    ...load,
    clock: ports.clock,
    initial: resources,
    reconcileMs,
    changed,
    rejected({ problems }) {
      logProblems(log, problems);
      log.warn('the files have errors: what was in effect stays');
    },
    mended: () => log.info('the files have no errors any more, and say what is in effect'),
  });
}
