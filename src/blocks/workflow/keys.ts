import type { Key } from '../../kernel/tuple.ts';
import { tuple } from '../../kernel/tuple.ts';

/** Whose workflows. */
export interface AppScope {
  readonly namespace: string;
  readonly appId: string;
}

/**
 * The keys of one app's workflows. A key costs memory for as long as it is there, so a sleeping instance has exactly one, its record, and a long history
 * one more per full chunk. Everything else (messages that wait, marks of who has work) goes when it was dealt with.
 */
export interface WorkflowKeys {
  /** Header and the newest events of the instance. */
  record(id: string): Key;
  readonly records: Key;
  /** Full pieces of the history of one execution, oldest first; never changed. */
  chunk(id: string, execution: string, index: number): Key;
  chunks(id: string, execution?: string): Key;
  /** Parts of events that are too large to stand in the history; `scope` is an execution, or `mail`. */
  blob(at: { readonly id: string; readonly scope: string }, blob: string, part: number): Key;
  blobs(id: string, scope?: string, blob?: string): Key;
  /** Events that wait for a turn, in order of arrival. */
  inbox(id: string, timeMs: number, order: string): Key;
  inboxes(id: string): Key;
  /** The instance has work under way; written by the shard's owner only. A new owner begins with these. */
  ready(shard: number, id: string): Key;
  readies(shard: number): Key;
  /** Somebody who does not own the shard put something into the instance's inbox. */
  bell(shard: number, id: string): Key;
  readonly bells: Key;
  /** Activities that other apps ask for; `order` makes them unique. */
  foreign(shard: number, order: string): Key;
  foreigns(shard: number): Key;
  /** What other apps may do with the workflows of this one. */
  readonly access: Key;
  /** Who has how many places of a limit that all runtimes of the app share; `name` empty: of all names together. */
  places(kind: string, name: string): Key;
}

/** Makes the keys of an app; they begin with `wf`, namespace and app id. */
export function workflowKeys({ namespace, appId }: AppScope): WorkflowKeys {
  const root = tuple('wf', namespace, appId);
  const [records, chunks, blobs, inboxes] = ['i', 'h', 'b', 'q'].map((kind) => root + tuple(kind)) as [Key, Key, Key, Key];
  const [readies, bells, foreigns, places] = ['r', 'n', 'x', 'l'].map((kind) => root + tuple(kind)) as [Key, Key, Key, Key];
  return {
    record: (id) => records + tuple(id),
    records,
    chunk: (id, execution, index) => chunks + tuple(id, execution, index),
    chunks: (id, execution) => chunks + (execution === undefined ? tuple(id) : tuple(id, execution)),
    blob: ({ id, scope }, blob, part) => blobs + tuple(id, scope, blob, part),
    blobs: (id, scope, blob) => blobs + tuple(...[id, scope, blob].filter((element) => element !== undefined)),
    inbox: (id, timeMs, order) => inboxes + tuple(id, Math.floor(timeMs), order),
    inboxes: (id) => inboxes + tuple(id),
    ready: (shard, id) => readies + tuple(shard, id),
    readies: (shard) => readies + tuple(shard),
    bell: (shard, id) => bells + tuple(shard, id),
    bells,
    foreign: (shard, order) => foreigns + tuple(shard, order),
    foreigns: (shard) => foreigns + tuple(shard),
    access: root + tuple('p'),
    places: (kind, name) => places + tuple(kind, name),
  };
}
