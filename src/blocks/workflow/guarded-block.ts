import type { WorkflowOperation } from '../../contracts/workflow-access.ts';
import { ProaError } from '../../kernel/errors.ts';
import { deniedText, isAllowed } from './access.ts';
import type { Core } from './core.ts';
import type { WorkflowBlock } from './index.ts';
import type { AppScope } from './keys.ts';
import { storedRecord } from './read-state.ts';

/** Who asks: an app, and how it reaches others. */
export interface Asking extends Pick<WorkflowBlock, 'of'> {
  readonly caller: AppScope;
}

/** The workflows of another app for the clients of one: what its WorkflowAccessPolicies do not allow fails with `permission-denied`, before anything is done. */
export function guardedBlock(block: WorkflowBlock, core: Core, { caller, of }: Asking): WorkflowBlock {
  const must = async (operation: WorkflowOperation, name: string | undefined): Promise<void> => {
    if (!(await isAllowed(core, { caller, kind: 'workflow', operation, name }))) throw new ProaError('permission-denied', deniedText);
  };
  // Of an instance that is not there the name is not known: whoever may do it with some workflow is told that.
  const mustOn = async (operation: WorkflowOperation, id: string): Promise<void> =>
    must(operation, (await storedRecord(core, id))?.header.name);
  return {
    start: async (request) => (await must('schedule', request.name), block.start(request)),
    get: async (id, payloads) => (await mustOn('get', id), block.get(id, payloads)),
    async wait(id, until, cancel) {
      await mustOn('get', id);
      const state = await block.wait(id, until, cancel);
      // One that came meanwhile may have another name.
      await must('get', state.name);
      return state;
    },
    raise: async (id, name, input) => (await mustOn('raise', id), block.raise(id, name, input)),
    terminate: async (id, output, recursive) => (await mustOn('terminate', id), block.terminate(id, output, recursive)),
    suspend: async (id, reason) => (await mustOn('pause', id), block.suspend(id, reason)),
    resume: async (id, reason) => (await mustOn('resume', id), block.resume(id, reason)),
    purge: async (id, options) => (await mustOn('purge', id), block.purge(id, options)),
    async purgeWhere(filter, recursive) {
      // A pattern for every name is what it takes to purge whatever there is.
      await must('purge', filter.name ?? '\u{10ffff}');
      return block.purgeWhere(filter, recursive);
    },
    async list(filter, page) {
      await must('get', filter.name);
      const { instances, ...rest } = await block.list(filter, page);
      const allowed = new Map<string, boolean>();
      for (const { name } of instances)
        if (!allowed.has(name)) allowed.set(name, await isAllowed(core, { caller, kind: 'workflow', operation: 'get', name }));
      return { ...rest, instances: instances.filter(({ name }) => allowed.get(name)) };
    },
    history: async (id) => (await mustOn('get', id), block.history(id)),
    show: async (id) => (await mustOn('get', id), block.show(id)),
    rerun: async (source, eventId, options) => (await mustOn('rerun', source), block.rerun(source, eventId, options)),
    attach: (worker) => block.attach(worker),
    of,
    setAccess: (rules) => block.setAccess(rules),
    get workers() {
      return block.workers;
    },
    close: (graceMs) => block.close(graceMs),
  };
}
