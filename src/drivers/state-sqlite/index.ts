import { resolve } from 'node:path';
import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openDatabase } from './database.ts';
import { SqliteStore, sqliteCapabilities } from './sqlite-store.ts';

export default defineDriver({
  kind: 'state',
  types: ['state.sqlite'],
  versions: ['v1'],
  status: 'beta',
  capabilities: sqliteCapabilities,
  config,
  async open(properties, { ports, log }) {
    const database = openDatabase(properties, {
      nodeVersion: ports.process.nodeVersion,
      path: (path) => resolve(ports.process.cwd(), path),
    });
    return new SqliteStore({ database, clock: ports.clock, random: ports.random, log, ...properties });
  },
});
