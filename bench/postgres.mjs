// The PostgreSQL engine against the bare client inserting the same groups into the same server, from one process, and one hot log from two.
import { spawn } from 'node:child_process';
import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, directory, interleaved, ratioOf, root, which } from './harness.mjs';

export async function run() {
  if (which('pg_ctl') === undefined && which('psql') === undefined) return { skipped: 'postgres not found' };
  // The bundle finds `pg` as an application does.
  if (!existsSync(join(directory, 'node_modules'))) symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  const subject = await bundle('bench/postgres-subject.ts');
  const server = spawn(process.execPath, [subject, 'serve'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const place = await new Promise((resolve, reject) => {
    server.stdout.once('data', (line) => resolve(line.toString().trim()));
    server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  const ask = (mode, writers) =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [subject, mode, place, String(writers)], { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.on('data', (chunk) => (text += chunk));
      child.once('close', (code) =>
        code === 0 ? resolve(text === '' ? {} : JSON.parse(text)) : reject(new Error(`${mode} ended with ${code}`)),
      );
    });
  /** Two processes at once. */
  const both = async (mode, writers) => {
    const shots = await Promise.all([ask(mode, writers), ask(mode, writers)]);
    return { rate: shots[0].rate + shots[1].rate, cpu: (shots[0].cpu + shots[1].cpu) / 2 };
  };
  try {
    await ask('prepare', 0);
    const rows = await interleaved({
      'bare client, 32 writers': () => ask('bare-put', 32),
      'engine, 32 writers': () => ask('put', 32),
      'bare client, 256 writers': () => ask('bare-put', 256),
      'engine, 256 writers': () => ask('put', 256),
      'bare clients, one table from two processes': () => both('bare-append', 64),
      'engines, one hot log from two processes': () => both('append', 64),
    });
    return {
      conditions:
        'commits of 1 KB, one at a time from every writer; PostgreSQL on the same two cores, its writes durable; CPU of the client alone',
      rows,
      ratios: [
        ratioOf(rows, 'engine / bare client, 32', ['engine, 32 writers', 'bare client, 32 writers'], 0.7),
        ratioOf(rows, 'engine / bare client, 256', ['engine, 256 writers', 'bare client, 256 writers'], 0.7),
        ratioOf(rows, 'hot log / bare table, 2 × 64', [
          'engines, one hot log from two processes',
          'bare clients, one table from two processes',
        ]),
      ],
    };
  } finally {
    server.stdin.end();
    await new Promise((resolve) => server.once('exit', resolve));
  }
}
