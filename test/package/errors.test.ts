import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { problemCodes } from '../../src/host/config/problem-codes.ts';
import { catalogue } from '../../src/kernel/catalogue.ts';
import { root, sourcesIn } from './sources.ts';

/** Codes that Dapr's clients know and nothing in this version can cause; `proa explain` tells of them. */
const onlyExplained = ['malformed-request-data', 'invoke.not-ready', 'pubsub.not-configured', 'actor.no-runtime'];

describe('errors', () => {
  const sources = sourcesIn(
    ['src'],
    (name) => name.endsWith('.ts') && !/^(catalogue|job-errors|actor-errors|workflow-errors)\.ts$|\.test\.ts$/.test(name),
  );

  it('that sources raise are all in the catalogue', () => {
    const raised = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/new ProaError\(\s*'([^']+)'/g)].map(([, code]) => ({ code: code as string, path })),
    );
    expect(raised.length).toBeGreaterThan(100);
    expect(raised.filter(({ code }) => !(code in catalogue))).toEqual([]);
  });

  it('of the catalogue have sound statuses, and each can happen', () => {
    const unsound = Object.entries(catalogue).filter(
      ([, { errorCode, http, title }]) => !/^[A-Z][A-Z0-9_]+$/.test(errorCode) || http < 400 || http > 599 || !/^\S.*[^.]$/.test(title),
    );
    expect(unsound).toEqual([]);
    const text = sources.map((source) => source.text).join('\n');
    expect(Object.keys(catalogue).filter((code) => !text.includes(`'${code}'`))).toEqual(onlyExplained);
  });

  it('stand in the reference, problems of files too', () => {
    const errors = readFileSync(join(root, 'docs/reference/errors.md'), 'utf8');
    const files = readFileSync(join(root, 'docs/reference/configuration.md'), 'utf8');
    expect(Object.keys(catalogue).filter((code) => !errors.includes(`\`${code}\``))).toEqual([]);
    expect(Object.keys(problemCodes).filter((code) => !files.includes(`\`${code}\``))).toEqual([]);
  });
});

describe('the reference pages', () => {
  it('are what the tables of the program give', () => {
    const result = spawnSync(process.execPath, [join(root, 'tools/gen/docs.mjs'), '--check'], { cwd: root, encoding: 'utf8' });
    expect({ code: result.status, err: result.stderr }).toEqual({ code: 0, err: '' });
  });
});
