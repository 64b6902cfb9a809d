import { type Key, prefixEnd, tuple, untuple } from '../../kernel/tuple.ts';

/** Names of an app's jobs in the engine. */
export interface JobKeys {
  /** The group of its shards in placement and of its timers. */
  readonly group: string;
  /** Below it lie the records. */
  readonly records: Key;
  /** Below it lie the data of those that have any. */
  readonly datas: Key;
  record(name: string): Key;
  nameOf(record: Key): string;
  data(name: string): Key;
  /** The runs of a shard that are due, oldest first. */
  ready(shard: number): Key;
  /** One of them: it is there until the run has ended. */
  readyRun(shard: number, wakeMs: number, name: string): Key;
}

/** Everything below `keys` whose name begins with `prefix`. */
export function rangeOfPrefix(keys: Key, prefix: string): { readonly from: Key; readonly to: Key } {
  // Without the end of the text, which a tuple writes behind it.
  const from = prefix === '' ? keys : keys + tuple(prefix).slice(0, -1);
  return { from, to: prefixEnd(from) };
}

export function jobKeys(namespace: string, appId: string): JobKeys {
  const below = (kind: string): Key => tuple('jobs', namespace, appId, kind);
  const [records, datas, readies] = [below('job'), below('data'), below('ready')] as [Key, Key, Key];
  return {
    group: `jobs/${namespace}/${appId}`,
    records,
    datas,
    record: (name) => records + tuple(name),
    nameOf: (record) => untuple(record.slice(records.length))[0] as string,
    data: (name) => datas + tuple(name),
    ready: (shard) => readies + tuple(shard),
    readyRun: (shard, wakeMs, name) => readies + tuple(shard, Math.max(0, Math.ceil(wakeMs)), name),
  };
}
