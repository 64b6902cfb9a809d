// The PostgreSQL engine beside a bare `pg` client that inserts the same groups: `serve` starts a server and prints its address, the others print one line of JSON.
import pg from 'pg';
import { openPostgresEngine } from '../src/drivers/engine-postgres/engine-postgres.ts';
import { nodeClock } from '../src/ports/node/clock.ts';
import { createNodeRandom } from '../src/ports/node/random.ts';
import { findPostgres, startPostgres } from '../src/testing/postgres-server.ts';

const [mode, place = '{}', argument = '32'] = process.argv.slice(2) as [string, string?, string?];
const writers = Number(argument);
const address = JSON.parse(place) as { host: string; port: number; user: string; database: string };
const value = Buffer.alloc(1024, 7);
const seconds = 1.2;

type Write = (key: string) => Promise<unknown>;

interface Candidate {
  readonly write: Write;
  /** How many groups, so far. */
  groups(): number;
  close(): Promise<void>;
}

/** The bar: whatever came while a group was under way is the next group, one INSERT each, nothing else. */
async function bare(table: string, groupMax = 256): Promise<Candidate> {
  const client = new pg.Client(address);
  await client.connect();
  let keys: Buffer[] = [];
  let waiters: (() => void)[] = [];
  let running = false;
  let groups = 0;
  async function pump() {
    while (keys.length > 0) {
      const [writing, waiting] = [keys.slice(0, groupMax), waiters.slice(0, groupMax)];
      [keys, waiters] = [keys.slice(groupMax), waiters.slice(groupMax)];
      const text = `insert into ${table} (key, value) select * from unnest($1::bytea[], $2::bytea[])`;
      await client.query({ name: table, text, values: [writing, writing.map(() => value)] });
      groups++;
      for (const resolve of waiting) resolve();
      await new Promise(setImmediate);
    }
    running = false;
  }
  return {
    groups: () => groups,
    write(key) {
      keys.push(Buffer.from(key));
      const done = new Promise<void>((resolve) => waiters.push(resolve));
      if (!running) {
        running = true;
        setImmediate(() => void pump());
      }
      return done;
    },
    close: () => client.end(),
  };
}

async function engineIn(schema: string, kind: 'put' | 'append'): Promise<Candidate> {
  const engine = await openPostgresEngine({ ports: { clock: nodeClock, random: createNodeRandom() }, address, schema });
  const write: Write =
    kind === 'put'
      ? (key) => engine.commit({ put: [{ key, value }] })
      : () => engine.commit({ append: [{ log: 'hot', entries: [{ data: value }] }] });
  return { write, groups: () => engine.stats().syncs, close: () => engine.close() };
}

async function drive({ write, groups, close }: Candidate) {
  const run = Math.random().toString(36).slice(2);
  const until = (end: number, counted: { n: number }) =>
    Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        for (let i = 0; performance.now() < end; i++, counted.n++) await write(`${run}-${writer}-${end}-${i}`);
      }),
    );
  await until(performance.now() + 200, { n: 0 });
  const [cpu, begun, before, counted] = [process.cpuUsage(), performance.now(), groups(), { n: 0 }];
  await until(begun + seconds * 1000, counted);
  const used = process.cpuUsage(cpu);
  const rate = (counted.n / (performance.now() - begun)) * 1000;
  const group = counted.n / (groups() - before);
  await close();
  return { rate, cpu: (used.user + used.system) / counted.n, group };
}

async function sql(text: string): Promise<void> {
  const client = new pg.Client(address);
  await client.connect();
  await client.query(text);
  await client.end();
}

if (mode === 'serve') {
  const bin = findPostgres();
  if (bin === undefined) throw new Error('postgres not found');
  const server = await startPostgres(bin, { synced: true });
  console.log(JSON.stringify(server.address));
  process.stdin.on('end', () => void server.destroy()).resume();
} else if (mode === 'prepare') {
  await sql(
    'create table bare (key bytea primary key, value bytea not null); create table bare_log (id bigserial primary key, key bytea, value bytea not null)',
  );
} else {
  const candidates: Readonly<Record<string, () => Promise<Candidate>>> = {
    'bare-put': () => bare('bare'),
    'bare-append': () => bare('bare_log'),
    put: () => engineIn('bench', 'put'),
    append: () => engineIn('bench', 'append'),
  };
  console.log(JSON.stringify(await drive(await (candidates[mode] as () => Promise<Candidate>)())));
}
