import type { Engine } from '../contracts/engine.ts';
import type { OwnedShard } from '../contracts/placement.ts';
import { tuple } from '../kernel/tuple.ts';

/** A shard that a test took: `alive` is the test's to change. */
export interface TestShard extends OwnedShard {
  alive: boolean;
}

/** Takes a shard as placement does, by rewriting its record: whoever held it before cannot commit any more. */
export async function takeShard(engine: Engine, group: string, index: number): Promise<TestShard> {
  const key = tuple('test-placement', group, index);
  const result = await engine.commit({ put: [{ key, value: new Uint8Array(0) }] });
  if (result.status !== 'done') throw new Error('the shard could not be taken');
  const version = result.versions[0] as number;
  return { group, index, epoch: version, condition: { kind: 'version', key, version }, alive: true, lapses: 0 };
}
