import type { Operations } from '../operations.ts';
import type { WorkflowOperations } from './client.ts';

type WorkflowsOf = Operations['workflows'];

/** Workflows of a runtime, and the end of the connection to it. */
export interface OpenedWorkflows {
  readonly workflows: WorkflowsOf;
  close(): Promise<void>;
}

/** The workflows of a runtime whose connection, and the code for it, are loaded by the first question. */
export function lazyWorkflows(open: () => Promise<OpenedWorkflows>): OpenedWorkflows {
  let opened: Promise<OpenedWorkflows> | undefined;
  const workflows = async (): Promise<WorkflowsOf> => (await (opened ??= open())).workflows;
  return {
    workflows: {
      ...throughTo(workflows),
      attach(worker) {
        let stop = (): void => {};
        let stopped = false;
        const attached = workflows().then((found) => {
          if (!stopped) stop = found.attach(worker);
        });
        attached.catch(() => {});
        return () => {
          stopped = true;
          stop();
        };
      },
    },
    async close() {
      // What could not be opened needs no end.
      await opened?.then(
        (open) => open.close(),
        () => {},
      );
    },
  };
}

function throughTo(open: () => Promise<WorkflowOperations>): WorkflowOperations {
  const through = <Name extends Exclude<keyof WorkflowOperations, 'of'>>(name: Name): WorkflowOperations[Name] => {
    const ask = async (...given: unknown[]): Promise<unknown> =>
      ((await open())[name] as (...all: unknown[]) => Promise<unknown>)(...given);
    return ask as WorkflowOperations[Name];
  };
  return {
    start: through('start'),
    get: through('get'),
    wait: through('wait'),
    raise: through('raise'),
    terminate: through('terminate'),
    suspend: through('suspend'),
    resume: through('resume'),
    purge: through('purge'),
    purgeWhere: through('purgeWhere'),
    list: through('list'),
    history: through('history'),
    rerun: through('rerun'),
    of: (...given) => throughTo(async () => (await open()).of(...given)),
  };
}
