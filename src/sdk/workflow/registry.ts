import { closest } from '../../kernel/closest.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { HistoryEvent } from '../../contracts/workflow.ts';
import type { AnyActivity, AnyWorkflow } from './definition.ts';

/** The workflows and activities of an app. */
export class WorkflowRegistry {
  readonly #workflows = new Map<string, AnyWorkflow[]>();
  readonly #activities = new Map<string, AnyActivity>();

  /** Fails with `config.invalid` when there is one of that name and version. */
  addWorkflow(definition: AnyWorkflow): void {
    const { name, version } = definition;
    const versions = this.#workflows.get(name) ?? [];
    if (versions.some((other) => versionText(other) === versionText(definition)))
      throw new ProaError('config.invalid', `workflow "${name}"${version === undefined ? '' : ` of version ${version}`} is there twice`);
    this.#workflows.set(name, [...versions, definition].sort(byVersion));
  }

  /** Fails with `config.invalid` when there is one of that name. */
  addActivity(definition: AnyActivity): void {
    if (this.#activities.has(definition.name)) throw new ProaError('config.invalid', `activity "${definition.name}" is there twice`);
    this.#activities.set(definition.name, definition);
  }

  get workflowNames(): ReadonlySet<string> {
    return new Set(this.#workflows.keys());
  }

  get activityNames(): ReadonlySet<string> {
    return new Set(this.#activities.keys());
  }

  get empty(): boolean {
    return this.#workflows.size + this.#activities.size === 0;
  }

  activity(name: string): AnyActivity | undefined {
    return this.#activities.get(name);
  }

  /** The definition that an instance began with or begins with; a text says why there is none. */
  choose(events: readonly HistoryEvent[]): AnyWorkflow | string {
    const started = events.find((event) => event.type === 'executionStarted');
    if (started === undefined) return 'the history has no beginning';
    const versions = this.#workflows.get(started.name);
    if (versions === undefined) {
      const near = closest(started.name, this.#workflows.keys());
      return `this app has no workflow "${started.name}"${near === undefined ? '' : `; it has "${near}"`}`;
    }
    // Chosen in an earlier turn, or asked for at the start.
    const chosen = events.find((event) => event.type === 'workflowStarted' && event.version?.name !== undefined);
    const wanted = (chosen?.type === 'workflowStarted' ? chosen.version?.name : undefined) ?? started.version;
    if (wanted === undefined) return this.#unversioned(versions, events);
    const found = versions.find((definition) => versionText(definition) === wanted);
    if (found !== undefined) return found;
    const known = versions.map(({ version }) => (version === undefined ? 'one without a version' : String(version))).join(', ');
    return `workflow "${started.name}" has no version ${wanted}; there is ${known}\nhelp: keep a version registered as long as instances run that began with it`;
  }

  // A new instance begins with the highest version; one that runs already began when there was none.
  #unversioned(versions: readonly AnyWorkflow[], events: readonly HistoryEvent[]): AnyWorkflow {
    const runs = events.filter(({ type }) => type === 'workflowStarted').length > 1;
    return (runs ? versions[0] : versions.at(-1)) as AnyWorkflow;
  }
}

/** A version as a history keeps it; empty: none. */
export function versionText({ version }: Pick<AnyWorkflow, 'version'>): string {
  return version === undefined ? '' : String(version);
}

const collator = new Intl.Collator('en', { numeric: true });

// Numbers in it count as numbers: 1.10 comes after 1.9.
function byVersion(a: AnyWorkflow, b: AnyWorkflow): number {
  return collator.compare(versionText(a), versionText(b));
}
