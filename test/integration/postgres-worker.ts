// One process of the PostgreSQL crash tests. `write <address> <acknowledgements> <name>` commits numbered records until it is killed and notes each number after the
// engine said that it is durable; `check <address> <acknowledgements>` prints what is missing or wrong as JSON.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Engine } from '../../src/contracts/engine.ts';
import { openPostgresEngine } from '../../src/drivers/engine-postgres/engine-postgres.ts';
import { tuple } from '../../src/kernel/tuple.ts';
import { nodeClock } from '../../src/ports/node/clock.ts';
import { createNodeRandom } from '../../src/ports/node/random.ts';

const [mode, address, acknowledgements, name = ''] = process.argv.slice(2) as [string, string, string, string?];
const writers = 8;
const open = (): Promise<Engine> =>
  openPostgresEngine({
    ports: { clock: nodeClock, random: createNodeRandom() },
    address: JSON.parse(address) as { host: string },
    pollMs: 50,
  });

/** The server may be on its way up again. */
async function opened(): Promise<Engine> {
  for (let tries = 0; ; tries++) {
    try {
      return await open();
    } catch (error) {
      if (tries === 300) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function write(): Promise<void> {
  const engine = await opened();
  const out = openSync(acknowledgements, 'a');
  let next = 0;
  const loop = async (): Promise<void> => {
    for (;;) {
      const id = `${name}-${next++}`;
      const data = Buffer.from(id);
      const commit = { id, put: [{ key: tuple('n', id), value: data }], append: [{ log: 'log', entries: [{ data }] }] };
      for (;;) {
        // Whatever becomes of a commit, it is repeated under its id until somebody knows.
        const result = await engine.commit(commit).catch(() => undefined);
        if (result?.status === 'done') {
          writeSync(out, `${id} ${result.sequences[0]}\n`);
          break;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  await Promise.all(Array.from({ length: writers }, loop)).finally(() => closeSync(out));
}

async function check(): Promise<void> {
  const engine = await opened();
  const report = { acknowledged: 0, lost: 0, twice: 0, gaps: 0, head: 0 };
  const logged = new Map<number, string>();
  const seen = new Set<string>();
  for (let sequence = 0; ;) {
    const page = await engine.readLog('log', sequence, 1_000);
    if (page.entries.length === 0) break;
    for (const entry of page.entries) {
      if (entry.sequence !== sequence + 1) report.gaps++;
      sequence = entry.sequence;
      const id = Buffer.from(entry.data).toString();
      if (seen.has(id)) report.twice++;
      seen.add(id);
      logged.set(sequence, id);
    }
    report.head = sequence;
  }
  const lines = readFileSync(acknowledgements, 'utf8').split('\n').slice(0, -1);
  report.acknowledged = lines.length;
  for (let from = 0; from < lines.length; from += 200) {
    const part = lines.slice(from, from + 200).map((line) => line.split(' ') as [string, string]);
    const entries = await engine.getMany(part.map(([id]) => tuple('n', id)));
    for (const [index, [id, at]] of part.entries()) {
      if (Buffer.from(entries[index]?.value ?? []).toString() !== id || logged.get(Number(at)) !== id) report.lost++;
    }
  }
  await engine.close();
  process.stdout.write(JSON.stringify(report));
}

await (mode === 'write' ? write() : check());
