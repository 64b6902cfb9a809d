import type { Operations } from '../operations.ts';

type WorkflowsOf = Operations['workflows'];

/** Workflows of a runtime, and the end of the connection to it. */
export interface OpenedWorkflows {
  readonly workflows: WorkflowsOf;
  close(): Promise<void>;
}

/** The workflows of a runtime whose connection, and the code for it, are loaded by the first question. */
export function lazyWorkflows(open: () => Promise<OpenedWorkflows>): OpenedWorkflows {
  let opened: Promise<OpenedWorkflows> | undefined;
  const through = <Name extends Exclude<keyof WorkflowsOf, 'attach'>>(name: Name): WorkflowsOf[Name] => {
    const ask = async (...given: unknown[]): Promise<unknown> => {
      opened ??= open();
      const { workflows } = await opened;
      return (workflows[name] as (...all: unknown[]) => Promise<unknown>)(...given);
    };
    return ask as WorkflowsOf[Name];
  };
  return {
    workflows: {
      start: through('start'),
      get: through('get'),
      wait: through('wait'),
      raise: through('raise'),
      terminate: through('terminate'),
      suspend: through('suspend'),
      resume: through('resume'),
      purge: through('purge'),
      list: through('list'),
      history: through('history'),
      rerun: through('rerun'),
      attach(worker) {
        opened ??= open();
        let stop = (): void => {};
        let stopped = false;
        const attached = opened.then(({ workflows }) => {
          if (!stopped) stop = workflows.attach(worker);
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
