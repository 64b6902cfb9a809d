import type { Database, RunInTransaction } from '../../clients/postgres/database.ts';
import { ProaError } from '../../kernel/errors.ts';
import { formatVersion, migrations } from './schema.ts';
import { unquoted } from './schema-name.ts';
import { statementError } from './statement-error.ts';

/** The format that the schema has; 0: there is none yet. Fails with `engine.unavailable`. */
export async function storedFormat(database: Database, schema: string): Promise<number> {
  const exists = await database.run('select to_regclass($1) is not null', [`${schema}.format`]);
  if (exists.status !== 'done') throw statementError(exists, 'connecting');
  if ((exists.rows[0] as [boolean])[0] !== true) return 0;
  const result = await database.run(`select coalesce(max(version), 0)::int from ${schema}.format`);
  if (result.status !== 'done') throw statementError(result, 'reading the format');
  return (result.rows[0] as [number])[0];
}

/**
 * Brings the schema to the format of this version of Proa, all steps in one transaction; concurrent openers wait for each other. Runtimes of an older version that are at
 * work go on. Fails with `engine.format` when a newer Proa wrote it: only that one knows what its format means.
 */
export async function migrateForward(database: Database, schema: string): Promise<void> {
  const stored = await storedFormat(database, schema);
  if (stored > formatVersion) {
    throw new ProaError('engine.format', `schema ${schema} has format ${stored}, this version of Proa knows up to ${formatVersion}`, {
      hint: `use the version of Proa that wrote it or a newer one, or go back with it: proa engine downgrade --format ${formatVersion}`,
    });
  }
  if (stored === formatVersion) return;
  await inTransaction(database, { schema, doing: `bringing schema ${schema} to format ${formatVersion}` }, async (run) => {
    const level = await levelOf(run, schema);
    for (const { version, up, back } of migrations) {
      if (version <= level) continue;
      for (const statement of statementsOf(up(schema))) await run(statement);
      await (version === 1
        ? run(`insert into ${schema}.format (version) values (1) on conflict do nothing`)
        : run(`insert into ${schema}.format (version, back) values ($1, $2)`, [version, back?.(schema) ?? null]));
    }
  });
}

/**
 * Takes the schema back to an older format, by the ways back that the steps left in it: this version of Proa need not know the newer format. No runtime of the newer version may
 * be at work. Answers the formats that it went through. Fails with `config.invalid` when a step has no way back.
 */
export async function migrateBack(database: Database, schema: string, to: number): Promise<{ readonly from: number; readonly to: number }> {
  const from = await storedFormat(database, schema);
  if (to < 1 || to > from)
    throw new ProaError('config.invalid', `schema ${schema} has format ${from}; it cannot be taken back to ${to}`, {
      hint: 'a newer format comes by itself when a newer Proa opens it',
    });
  if (to === from) return { from, to };
  await inTransaction(database, { schema, doing: `taking schema ${schema} back to format ${to}` }, async (run) => {
    const level = await levelOf(run, schema);
    for (let version = level; version > to; version--) {
      const [row] = await run(`select back from ${schema}.format where version = $1`, [version]);
      const script = row?.[0];
      if (typeof script !== 'string')
        throw new ProaError('config.invalid', `there is no way back from format ${version} of schema ${schema}`);
      await run(`delete from ${schema}.format where version = $1`, [version]);
      for (const statement of statementsOf(script)) await run(statement);
    }
  });
  return { from, to };
}

async function inTransaction(
  database: Database,
  { schema, doing }: { readonly schema: string; readonly doing: string },
  work: (run: RunInTransaction) => Promise<void>,
): Promise<void> {
  const result = await database.transaction(async (run) => {
    await run(`select pg_advisory_xact_lock(hashtext('${unquoted(schema)}'), -2)`);
    await work(run);
  });
  if (result.status !== 'done') throw statementError(result, doing);
}

/** What another opener may have done while this one waited for the lock. */
async function levelOf(run: RunInTransaction, schema: string): Promise<number> {
  // Not to_regclass: what it knows from before the wait for the lock may be old.
  const tables = await run(
    `select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = 'format'`,
    [unquoted(schema)],
  );
  if (tables.length === 0) return 0;
  const [row] = await run(`select coalesce(max(version), 0)::int from ${schema}.format`);
  return row?.[0] as number;
}

/** The statements of a script; a function's body, between `$$`, is part of its statement. */
function statementsOf(script: string): readonly string[] {
  const statements: string[] = [];
  let statement = '';
  for (const [index, part] of script.split('$$').entries()) {
    if (index % 2 === 1) {
      statement += `$$${part}$$`;
      continue;
    }
    const [first = '', ...more] = part.split(';');
    statement += first;
    for (const next of more) {
      statements.push(statement);
      statement = next;
    }
  }
  return [...statements, statement].map((text) => text.trim()).filter((text) => text !== '');
}
