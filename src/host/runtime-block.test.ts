import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { appSpec } from '../../test/fixtures/app-spec.ts';
import { nodePorts } from '../ports/node/index.ts';
import { startHost } from './host.ts';

const directory = mkdtempSync(join(tmpdir(), 'proa-metadata-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it('the metadata say what a component can do as it is set up, not what its driver could', async () => {
  const secretsFile = join(directory, 'secrets.json');
  writeFileSync(secretsFile, '{"key":"value"}');
  const secrets = (name: string, multiValued: boolean) =>
    [
      'apiVersion: dapr.io/v1alpha1\nkind: Component',
      `metadata: { name: ${name} }`,
      'spec:\n  type: secretstores.local.file\n  version: v1\n  metadata:',
      `    - { name: secretsFile, value: "${secretsFile}" }`,
      `    - { name: multiValued, value: "${multiValued}" }`,
    ].join('\n');
  writeFileSync(join(directory, 'secrets.yaml'), [secrets('one', false), secrets('many', true)].join('\n---\n'));
  const shared = { dataDirectory: join(directory, 'data'), logLevel: 'error', logFormat: 'human', graceMs: 1_000, mode: 'run' } as const;
  const host = await startHost({ ports: nodePorts(), apps: [appSpec('app', { resourcePaths: [directory] })], shared, events() {} });
  const answer = await fetch(`http://127.0.0.1:${host.apps[0]?.httpPort}/v1.0/metadata`);
  const { components } = (await answer.json()) as { components: readonly { name: string; capabilities?: readonly string[] }[] };
  const found = Object.fromEntries(components.map(({ name, capabilities }) => [name, capabilities]));
  expect(found['one']).toBeUndefined();
  expect(found['many']).toEqual(['MULTIPLE_KEY_VALUES_PER_SECRET']);
  await host.stop('the test is over');
});
