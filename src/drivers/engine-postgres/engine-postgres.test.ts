import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { pooledPostgres } from '../../../test/fixtures/pooled-postgres.ts';
import { copyEngine } from '../../contracts/engine-copy.ts';
import type { Commit, Engine } from '../../contracts/engine.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { changedEngine } from '../../testing/changed-engine.ts';
import { bytes, done, text } from '../../testing/engine-suite-rig.ts';
import { engineSuite } from '../../testing/engine-suite.ts';
import { migratePostgresBack, openPostgresEngine, type PostgresEngineOptions } from './engine-postgres.ts';
import { createMemoryEngine } from '../engine-memory/memory-engine.ts';
import { encodeCommit, groupParameters } from './group.ts';
import { formatVersion, migrations } from './schema.ts';

const ports = { clock: nodeClock, random: createNodeRandom() };
const postgres = pooledPostgres();
let schemas = 0;

/** Engines over one fresh schema, as separate machines have them; `close` ends them all. */
function machines(more: Partial<PostgresEngineOptions> = {}) {
  const schema = `t${++schemas}`;
  const opened: Engine[] = [];
  const open = async (): Promise<Engine> => {
    const engine = await openPostgresEngine({ ports, address: postgres.server.address, schema, pollMs: 50, ...more });
    opened.push(engine);
    return engine;
  };
  const close = async (): Promise<void> => void (await Promise.all(opened.map((engine) => engine.close())));
  return { schema, open, close };
}

/** Waits for it, for as long as the test may take. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

it('refuses a name that no schema can have, and an address where nobody answers', async () => {
  const address = { host: '/nonexistent', database: 'proa' };
  const opened = (schema: string): Promise<Engine> => openPostgresEngine({ ports, address, schema });
  await expect(opened('a; drop table b')).rejects.toMatchObject({ code: 'config.invalid' });
  await expect(opened('proa')).rejects.toMatchObject({ code: 'engine.unavailable' });
});

describe.runIf(postgres.bin !== undefined)('engine-postgres', () => {
  const under = (more: () => Partial<PostgresEngineOptions>) => async () => {
    const { open, close } = machines(more());
    const engine = await open();
    const reopen = async (): Promise<Engine> => {
      await engine.close();
      return open();
    };
    return { engine, second: open, reopen, crash: open, destroy: close };
  };
  engineSuite({ name: 'postgres', open: under(() => ({})) });
  const throughPooler = (): Partial<PostgresEngineOptions> => ({ address: postgres.pooledAddress });
  if (postgres.pooled) engineSuite({ name: 'postgres behind a transaction pooler', open: under(throughPooler) });

  it('refuses a schema of a newer format', async () => {
    const { schema, open, close } = machines();
    await open();
    await postgres.server.sql(`insert into ${schema}.format (version) values (1000)`);
    await expect(open()).rejects.toMatchObject({ code: 'engine.format' });
    await close();
  });

  it.each(['freeze', 'Two-Words', 'user'])(
    'takes any name for its schema, such as %s: notices, room and the way back too',
    async (schema) => {
      const place = { address: postgres.server.address, schema };
      const [one, two] = await Promise.all([openPostgresEngine({ ports, ...place }), openPostgresEngine({ ports, ...place })]);
      const heard = new Promise<void>((resolve) => two.watch('k', resolve));
      await done(one, { put: [{ key: 'k', value: bytes('v') }], append: [{ log: 'l', entries: [{ data: bytes('e') }] }] });
      await heard;
      expect(text((await two.get('k'))?.value)).toBe('v');
      expect((await two.readLog('l', 0)).head).toBe(1);
      await one.trim('l', 1);
      await expect.poll(() => one.stats().diskBytes).toBeGreaterThan(0);
      await Promise.all([one.close(), two.close()]);
      expect(await migratePostgresBack(place, 1)).toEqual({ from: formatVersion, to: 1 });
      const again = await openPostgresEngine({ ports, ...place });
      expect(text((await again.get('k'))?.value)).toBe('v');
      await again.close();
    },
  );

  it('goes from the first format to the newest under an older runtime, and back again, with everything kept', async () => {
    const { schema, open, close } = machines();
    const [first] = migrations;
    // What Proa made before formats could be taken back.
    await postgres.server.sql(`begin; ${first?.up(`"${schema}"`)}; insert into ${schema}.format values (1); commit`);
    const groups = groupParameters([encodeCommit({ append: [{ log: 'l', entries: [{ data: bytes('old') }] }] })]);
    const old = new pg.Client(postgres.server.address);
    await old.connect();
    const oldCommit = () => old.query(`select ${schema}.commit_1($1, $2, $3, $4, $5, $6, $7, $8)`, groups);
    await oldCommit();
    const engine = await open();
    await done(engine, { put: [{ key: 'k', value: bytes('new') }], append: [{ log: 'l', entries: [{ data: bytes('new') }] }] });
    await oldCommit();
    const kept = async (): Promise<string[]> => {
      const rows = await postgres.server.sql(`select convert_from(data, 'UTF8') as data from ${schema}.entries order by sequence`);
      return rows.map((row) => (row as { data: string }).data);
    };
    expect(await kept()).toEqual(['old', 'new', 'old']);
    await close();
    const place = { address: postgres.server.address, schema };
    expect(await migratePostgresBack(place, 1)).toEqual({ from: formatVersion, to: 1 });
    await oldCommit();
    expect(await kept()).toEqual(['old', 'new', 'old', 'old']);
    expect(
      await postgres.server.sql(`select proname from pg_proc where pronamespace = '${schema}'::regnamespace and proname like '%\\_2'`),
    ).toEqual([]);
    await expect(migratePostgresBack(place, 3)).rejects.toMatchObject({ code: 'config.invalid' });
    const reopened = await open();
    expect(text((await reopened.get('k'))?.value)).toBe('new');
    await done(reopened, { append: [{ log: 'l', entries: [{ data: bytes('again') }] }] });
    expect((await reopened.readLog('l', 0)).head).toBe(5);
    await close();
    await old.end();
  });

  it('takes the way back of a format that it does not know from the database, or says that there is none', async () => {
    const { schema, open, close } = machines();
    await open();
    await close();
    await postgres.server.sql(`create table ${schema}.future (a int); insert into ${schema}.format (version, back) values
        (${formatVersion + 1}, 'drop table ${schema}.future'), (${formatVersion + 2}, null)`);
    await expect(open()).rejects.toMatchObject({
      code: 'engine.format',
      message: expect.stringContaining(`format ${formatVersion + 2}`),
    });
    const place = { address: postgres.server.address, schema };
    await expect(migratePostgresBack(place, formatVersion)).rejects.toMatchObject({ message: expect.stringContaining('no way back') });
    await postgres.server.sql(`delete from ${schema}.format where version = ${formatVersion + 2}`);
    expect(await migratePostgresBack(place, formatVersion)).toEqual({ from: formatVersion + 1, to: formatVersion });
    expect(await postgres.server.sql(`select to_regclass('${schema}.future') is null as gone`)).toEqual([{ gone: true }]);
    await open();
    await close();
  });

  it('keeps the sequences of logs that take turns within a group, and judges heads that are not written yet', async () => {
    const { open, close } = machines();
    const engine = await open();
    const append = (log: string, head?: number): Commit => ({
      ...(head !== undefined && { if: [{ kind: 'head', log, head }] }),
      append: [{ log, entries: [{ data: bytes('1') }, { data: bytes('2') }] }],
    });
    // One group: they are queued in one turn.
    const results = await Promise.all(
      [append('a'), append('b', 0), append('a', 2), append('a', 2), append('b'), append('a', 4), append('c', 1)].map((commit) =>
        engine.commit(commit),
      ),
    );
    expect(engine.stats().syncs).toBe(1);
    expect(results.map((result) => (result.status === 'done' ? result.sequences[0] : result.status))).toEqual([
      1,
      1,
      3,
      'conflict',
      3,
      5,
      'conflict',
    ]);
    for (const [log, head] of [
      ['a', 6],
      ['b', 4],
      ['c', 0],
    ] as const) {
      const page = await engine.readLog(log, 0);
      expect([page.head, page.entries.map(({ sequence }) => sequence)]).toEqual([
        head,
        Array.from({ length: head }, (_, index) => index + 1),
      ]);
    }
    await close();
  });

  it('answers from the bounds of logs where there is nothing to read, for many at once, and reads the others', async () => {
    const { open, close } = machines();
    const [engine, other] = [await open(), await open()];
    const entry = (data: string) => [{ data: bytes(data) }];
    await done(engine, { append: ['full', 'trimmed', 'part'].map((log) => ({ log, entries: [...entry('1'), ...entry('2')] })) });
    await engine.trim('trimmed', 2);
    await engine.trim('part', 1);
    const logs = ['none', 'full', 'trimmed', 'part', ...Array.from({ length: 300 }, (_, i) => `absent ${i}`)];
    const pages = await Promise.all(logs.map((log) => other.readLog(log, 0)));
    const seen = pages.map(({ first, head, entries }) => [first, head, entries.map(({ data }) => text(data)).join(' ')]);
    expect(seen.slice(0, 4)).toEqual([
      [1, 0, ''],
      [1, 2, '1 2'],
      [3, 2, ''],
      [2, 2, '2'],
    ]);
    expect(new Set(seen.slice(4).map(String))).toEqual(new Set(['1,0,']));
    await done(engine, { append: [{ log: 'none', entries: entry('now') }] });
    expect((await other.readLog('none', 0)).entries.length).toBe(1);
    await close();
  });

  it('opens on many machines at once', async () => {
    const { open, close } = machines();
    const engines = await Promise.all(Array.from({ length: 6 }, open));
    await Promise.all(engines.map((engine, i) => done(engine, { put: [{ key: `k${i}`, value: bytes('v') }] })));
    expect((await engines[0]?.range({ from: 'k', to: 'l' }))?.entries).toHaveLength(6);
    await close();
  });

  it('keeps ranges atomic against puts of other machines', async () => {
    const { open, close } = machines();
    const [one, two] = [await open(), await open()];
    // Every writer puts a pair; whoever deletes, deletes pairs: half a pair would be a torn commit.
    const pairs = Array.from({ length: 60 }, (_, i) => {
      const put = ['a', 'b'].map((key) => ({ key: `p/${key}`, value: bytes(String(i)) }));
      return i % 3 === 0 ? two.commit({ deleteRange: [{ from: 'p/', to: 'p0' }] }) : one.commit({ put });
    });
    const looking = (async () => {
      for (let i = 0; i < 40; i++) {
        const { entries } = await two.range({ from: 'p/', to: 'p0' });
        expect([0, 2]).toContain(entries.length);
        expect(text(entries[0]?.value)).toBe(text(entries[1]?.value));
      }
    })();
    await Promise.all([...pairs, looking]);
    await close();
  });

  it('tells watchers on other machines, with notices, by polling alone, and through a pooler', async () => {
    for (const way of ['notices', 'polling', ...(postgres.pooled ? ['pooler'] : [])]) {
      const { open, close, schema } = machines(way === 'pooler' ? throughPooler() : {});
      const [writer, reader] = [await open(), await open()];
      const seen = { keys: 0, log: 0 };
      reader.watch('w/', () => seen.keys++);
      reader.onAppend('l', () => seen.log++);
      if (way === 'polling')
        await postgres.server.sql(`select pg_terminate_backend(pid) from pg_stat_activity where query = 'listen "proa_${schema}"'`);
      await until(() => seen.keys > 0);
      const before = { ...seen };
      await done(writer, { put: [{ key: 'w/1', value: bytes('1') }] });
      await until(() => seen.keys > before.keys);
      await done(writer, { append: [{ log: 'l', entries: [{ data: bytes('1') }] }] });
      await until(() => seen.log > before.log);
      await close();
    }
  });

  it('is copied while nobody writes, and only then', async () => {
    const { schema, open, close } = machines();
    const other = await open();
    await done(other, { put: [{ key: 'k', value: bytes('v') }], append: [{ log: 'l', entries: [{ data: bytes('e') }] }] });
    const source = await openPostgresEngine({ ports, address: postgres.server.address, schema });
    const into = (write?: Commit) => {
      const target = createMemoryEngine({ clock: ports.clock });
      const slow = changedEngine(target, {
        commit: async (commit) => {
          if (write !== undefined) await done(other, write);
          return target.commit(commit);
        },
      });
      return copyEngine(source, slow, { logs: ['l'] });
    };
    expect(await into()).toEqual({ keys: 1, entries: 1 });
    const torn = { code: 'config.invalid', message: 'somebody wrote into what was copied, so the copy is of no use' };
    await expect(into({ put: [{ key: 'k', value: bytes('w') }] })).rejects.toMatchObject(torn);
    await expect(into({ append: [{ log: 'm', entries: [{ data: bytes('e') }] }] })).rejects.toMatchObject(torn);
    await source.close();
    await close();
  });

  it('removes what expired and what was trimmed', async () => {
    const { open, close, schema } = machines();
    const engine = await open();
    await done(engine, { put: [{ key: 'gone', value: bytes('1'), expiresAtMs: engine.now() - 1 }] });
    const entries = Array.from({ length: 500 }, () => ({ data: bytes('x') }));
    for (let i = 0; i < 5; i++) await done(engine, { append: [{ log: 'l', entries }] });
    await engine.trim('l', 2_400);
    await until(async () => {
      const rows = await postgres.server.sql(
        `select (select count(*)::int from ${schema}.keys) as keys, (select count(*)::int from ${schema}.entries) as entries`,
      );
      return JSON.stringify(rows[0]) === '{"keys":0,"entries":100}';
    });
    await close();
  });

  it('does not let time run backwards when the clock of the database does', async () => {
    const { open, close, schema } = machines();
    const engine = await open();
    await postgres.server.sql(`update ${schema}.clock set reserved_ms = ${engine.now() + 3_600_000}`);
    await done(engine, {});
    const ahead = engine.now();
    expect(ahead).toBeGreaterThan(Date.now() + 3_500_000);
    const other = await open();
    await done(other, {});
    expect(other.now()).toBeGreaterThanOrEqual(ahead - 1_000);
    await close();
  });

  it('answers unknown when the connection is lost in a commit, and the first result to a repeat', async () => {
    const { open, close, schema } = machines();
    const engine = await open();
    const commit: Commit = { id: 'once', append: [{ log: 'l', entries: [{ data: bytes('x') }] }] };
    const blocker = new pg.Client(postgres.server.address);
    await blocker.connect();
    await blocker.query(`begin; select pg_advisory_xact_lock(hashtext('${schema}'), -1)`);
    const blocked = engine.commit(commit);
    const waiting = `pid in (select pid from pg_locks where locktype = 'advisory' and not granted)`;
    await until(
      async () => (await postgres.server.sql(`select pg_terminate_backend(pid) from pg_stat_activity where ${waiting}`)).length > 0,
    );
    expect((await blocked).status).toBe('unknown');
    await blocker.end();
    const first = await done(engine, commit);
    expect(await engine.commit(commit)).toEqual(first);
    expect((await engine.readLog('l', 0)).head).toBe(1);
    await close();
  });

  it('says of a slow server what it knows, takes no more than it may, and goes on', async () => {
    const { open, close, schema } = machines({ statementTimeoutMs: 2_000, waitingMax: 20 });
    const engine = await open();
    const commit = (id: string): Commit => ({ id, append: [{ log: 'l', entries: [{ data: bytes(id) }] }] });
    const blocker = new pg.Client(postgres.server.address);
    await blocker.connect();
    await blocker.query(`begin; select pg_advisory_xact_lock(hashtext('${schema}'), -1)`);
    const sent = engine.commit(commit('sent'));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const queued = Array.from({ length: 21 }, (_, index) => engine.commit(commit(`q${index}`)).catch((error: unknown) => error));
    expect(await queued.at(-1)).toMatchObject({ code: 'overloaded' });
    expect((await sent).status).toBe('unknown');
    expect(await queued[0]).toMatchObject({ status: 'unknown' });
    await expect(engine.acquireLease('lease', 'me', 1_000)).rejects.toMatchObject({ code: 'engine.unavailable' });
    await blocker.end();
    // What the server did after all is found under its id; nothing happens twice.
    for (const id of ['sent', ...Array.from({ length: 20 }, (_, index) => `q${index}`)]) {
      // A busy machine can be as slow as the server was.
      while ((await engine.commit(commit(id))).status === 'unknown');
      await done(engine, commit(id));
    }
    const { entries, head } = await engine.readLog('l', 0);
    expect([head, new Set(entries.map(({ data }) => text(data))).size]).toEqual([21, 21]);
    await close();
  });

  it('takes, renews and gives back leases over connections that broke unnoticed', async () => {
    const { open, close } = machines();
    const engine = await open();
    // While this waits, nothing here hears that its connections are ended.
    const cut = (): void => {
      const { host, port, user, database } = postgres.server.address;
      const others = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'proa'";
      execFileSync(join(postgres.bin as string, 'psql'), ['-h', host, '-p', String(port), '-U', user, '-c', others, database]);
    };
    const lease = await engine.acquireLease('lease', 'me', 60_000);
    if (!lease.held) throw new Error('somebody else has it');
    cut();
    expect(await engine.renewLease(lease, 60_000)).toEqual(lease);
    cut();
    await engine.releaseLease(lease);
    cut();
    expect(await engine.acquireLease('lease', 'another', 1_000)).toMatchObject({ held: true, epoch: lease.epoch + 1 });
    await close();
  });

  it('survives a restart of the server: no acknowledged commit is lost, none is applied twice', async () => {
    const { open, close } = machines();
    const engines = [await open(), await open()];
    let stop = false;
    const acknowledged: number[] = [];
    const writer = async (w: number): Promise<void> => {
      const engine = engines[w % 2] as Engine;
      for (let n = 0; !stop; n++) {
        const commit: Commit = { id: `${w}-${n}`, append: [{ log: 'l', entries: [{ data: bytes(`${w}-${n}`) }] }] };
        for (;;) {
          const result = await engine.commit(commit).catch(() => undefined);
          if (result?.status === 'done') {
            acknowledged.push(result.sequences[0] as number);
            break;
          }
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const writers = Array.from({ length: 8 }, (_, w) => writer(w));
    await until(() => acknowledged.length > 200);
    await postgres.server.restart();
    const afterRestart = acknowledged.length;
    await until(() => acknowledged.length > afterRestart + 200);
    stop = true;
    await Promise.all(writers);
    expect(new Set(acknowledged).size).toBe(acknowledged.length);
    const found: string[] = [];
    for (let after = 0; ;) {
      const page = await (engines[0] as Engine).readLog('l', after, 1_000);
      if (page.entries.length === 0) break;
      found.push(...page.entries.map((entry) => text(entry.data) as string));
      after = page.entries.at(-1)?.sequence as number;
    }
    expect(new Set(found).size).toBe(found.length);
    expect(found.length).toBe(acknowledged.length);
    await close();
  });
});
