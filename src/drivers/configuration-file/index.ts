import { resolve } from 'node:path';
import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { createFileConfiguration } from './file-configuration.ts';

export default defineDriver({
  kind: 'configuration',
  types: ['configuration.file'],
  versions: ['v1'],
  status: 'stable',
  capabilities: [],
  config,
  async open({ path, pollInterval }, { ports, log }) {
    const { disk, clock } = ports;
    const store = createFileConfiguration({
      disk,
      clock,
      log,
      path: resolve(ports.process.cwd(), path),
      pollMs: Math.max(pollInterval, 100),
    });
    // A missing or wrong file must show when the component is loaded.
    await store.get([], {});
    return store;
  },
});
