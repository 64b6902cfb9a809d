import { describe, expect, it } from 'vitest';
import { canBackUp, type BackupSource } from '../../contracts/engine-backup.ts';
import { createMemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { grantedEngine } from './granted-engine.ts';

const value = Buffer.from('x');

describe('the engine of an owner that grants reads', () => {
  it('commits through the grants and leaves the engine as it is', async () => {
    const engine = createMemoryEngine({ clock: createFakeClock() });
    const commit = engine.commit;
    const through: unknown[] = [];
    const granted = grantedEngine(engine, {
      commit: (given) => {
        through.push(given);
        return engine.commit(given);
      },
    });
    const given = { put: [{ key: 'k', value }] };
    expect(await granted.commit(given)).toMatchObject({ status: 'done' });
    expect(through).toEqual([given]);
    expect(engine.commit).toBe(commit);
    expect(await granted.get('k')).toMatchObject({ key: 'k' });
  });

  it('makes backups where the engine does, and has its kind', async () => {
    const plain = createMemoryEngine({ clock: createFakeClock() });
    const grants = { commit: plain.commit.bind(plain) };
    expect(canBackUp(grantedEngine(plain, grants))).toBe(false);
    const made: string[] = [];
    const backup = async (to: string) => {
      made.push(to);
      return { files: 1, bytes: 2, timeMs: 3 };
    };
    const source: BackupSource = Object.assign(createMemoryEngine({ clock: createFakeClock() }), { backup });
    const granted = grantedEngine(source, grants) as BackupSource;
    expect(granted.kind).toBe(source.kind);
    expect(await granted.backup('/there')).toMatchObject({ files: 1 });
    expect(made).toEqual(['/there']);
  });
});
