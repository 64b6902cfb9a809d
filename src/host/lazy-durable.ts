import type { ActorsBlock } from '../blocks/actors/index.ts';
import type { JobsBlock } from '../blocks/jobs/index.ts';
import type { HistorySigning, WorkflowBlock } from '../blocks/workflow/index.ts';
import type { StateStore } from '../contracts/state.ts';
import type { Endpoint } from '../contracts/resolver.ts';
import type { DurableBlocks, DurableOptions } from './durable-blocks.ts';
import { signsHistories } from './signs-histories.ts';
import type { WorkflowWiring } from './workflow-wiring.ts';

export interface LazyDurableOptions extends DurableOptions {
  readonly workflows: Omit<WorkflowWiring, 'placement'>;
}

/** Actors, jobs and workflows of a runtime, and what the app's lifecycle and the admin API need of them. */
export interface LazyDurable extends Omit<DurableBlocks, 'placement' | 'actorStore'> {
  readonly workflow: WorkflowBlock;
  actorStore(): Promise<StateStore>;
}

/** The same block, for whoever needs it now; `load` answers the same promise every time. */
interface Source<Block> {
  readonly now: () => Block | undefined;
  readonly load: () => Promise<Block>;
}

/**
 * Blocks that own what they run, loaded with the first use of one of them: a sixth of the program and six megabytes, which a runtime without an app, or with an app that
 * only calls, does not need to start.
 */
export function createLazyDurable(options: LazyDurableOptions): LazyDurable {
  let loading: Promise<DurableBlocks> | undefined;
  let durable: DurableBlocks | undefined;
  let workflow: WorkflowBlock | undefined;
  // Apart from the others: signed histories take a certificate, which may have to be waited for.
  let opening: Promise<WorkflowBlock> | undefined;
  let places: Pick<Endpoint, 'local' | 'mesh'> | undefined;
  const load = (): Promise<DurableBlocks> => {
    loading ??= Promise.all([import('./durable-blocks.ts'), import('./workflow-wiring.ts')]).then(([blocks, wiring]) => {
      const made = blocks.createDurableBlocks(options);
      if (places !== undefined) made.reachedAt(places);
      durable = made;
      const open = (signing?: HistorySigning): WorkflowBlock =>
        (workflow = wiring.openWorkflows(options.context, {
          ...options.workflows,
          placement: made.placement,
          ...(signing && { signing }),
        }));
      if (!signsHistories(options.workflows.resources)) opening = Promise.resolve(open());
      else opening = import('./workflow-signing.ts').then(({ openSigning }) => openSigning(options.context, options.workflows)).then(open);
      // Whoever needs it is told; nobody may.
      opening.catch(() => {});
      return made;
    });
    return loading;
  };
  const part = <Block>(of: (parts: DurableBlocks) => Block): Source<Block> => ({
    now: () => (durable === undefined ? undefined : of(durable)),
    load: () => load().then(of),
  });
  const workflows: Source<WorkflowBlock> = { now: () => workflow, load: () => load().then(() => opening as Promise<WorkflowBlock>) };
  return {
    actors: lazyActors(part(({ actors }) => actors)),
    jobs: lazyJobs(part(({ jobs }) => jobs)),
    workflow: lazyWorkflows(workflows),
    actorStore: () => load().then((made) => made.actorStore()),
    reachedAt(next) {
      places = { ...places, ...next };
      durable?.reachedAt(next);
    },
    appUp: () => load().then((made) => made.appUp()),
    appDown: () => durable?.appDown() ?? Promise.resolve(),
    close: () => loading?.then((made) => made.close()) ?? Promise.resolve(),
  };
}

/** The named methods of a block; all of them answer a promise. */
function forwarded<Block extends object, Name extends keyof Block>(
  { now, load }: Source<Block>,
  names: readonly Name[],
): Pick<Block, Name> {
  type Method = (...input: unknown[]) => Promise<unknown>;
  const call = (block: Block, name: Name, input: unknown[]): Promise<unknown> => (block[name] as Method)(...input);
  const entries = names.map((name) => {
    const method: Method = (...input) => {
      const block = now();
      return block === undefined ? load().then((ready) => call(ready, name, input)) : call(block, name, input);
    };
    return [name, method];
  });
  return Object.fromEntries(entries) as Pick<Block, Name>;
}

function lazyActors(source: Source<ActorsBlock>): ActorsBlock {
  return {
    // The one that is called often: without lists of arguments.
    invoke: (call) => source.now()?.invoke(call) ?? source.load().then(({ invoke }) => invoke(call)),
    ...forwarded(source, ['receive', 'getState', 'transact', 'registerTimer', 'unregisterTimer', 'registerReminder']),
    ...forwarded(source, ['unregisterReminder', 'getReminder', 'listReminders', 'unregisterReminders', 'deactivate', 'serve']),
    active: () => source.now()?.active() ?? { types: [], ready: true },
    close: () => source.now()?.close() ?? Promise.resolve(),
  };
}

function lazyJobs(source: Source<JobsBlock>): JobsBlock {
  let started = false;
  return {
    ...forwarded(source, ['schedule', 'get', 'delete', 'deleteByPrefix', 'list', 'run']),
    start() {
      started = true;
      // It cannot fail but for a broken installation, which the next use tells.
      source.load().then(
        (jobs) => started && jobs.start(),
        () => {},
      );
    },
    pause(graceMs) {
      started = false;
      return source.now()?.pause(graceMs) ?? Promise.resolve();
    },
    close: () => source.now()?.close() ?? Promise.resolve(),
  };
}

function lazyWorkflows(source: Source<WorkflowBlock>): WorkflowBlock {
  return {
    ...forwarded(source, ['start', 'get', 'wait', 'raise', 'terminate', 'suspend', 'resume']),
    ...forwarded(source, ['purge', 'purgeWhere', 'list', 'history', 'show', 'rerun', 'setAccess']),
    attach(worker) {
      const block = source.now();
      if (block !== undefined) return block.attach(worker);
      let detach: (() => void) | undefined;
      let detached = false;
      source.load().then(
        (ready) => {
          if (!detached) detach = ready.attach(worker);
        },
        () => {},
      );
      return () => {
        detached = true;
        detach?.();
      };
    },
    of: (appId, namespace) =>
      lazyWorkflows({
        now: () => source.now()?.of(appId, namespace),
        load: () => source.load().then((block) => block.of(appId, namespace)),
      }),
    get workers() {
      return source.now()?.workers ?? 0;
    },
    close: (graceMs) => source.now()?.close(graceMs) ?? Promise.resolve(),
  };
}
