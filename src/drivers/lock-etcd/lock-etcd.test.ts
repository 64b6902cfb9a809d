import * as v from 'valibot';
import { afterAll, beforeAll, describe } from 'vitest';
import { createHttpClient } from '../../host/http-client.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { ageEtcd, startEtcd } from '../../testing/etcd-server.ts';
import { lockSuite } from '../../testing/lock-suite.ts';
import { findProgram, type ServerProcess } from '../../testing/server-process.ts';
import driver from './index.ts';

const etcd = findProgram('etcd');
if (etcd === undefined) console.log('skipped: etcd not found');

const ports = nodePorts();
const http = createHttpClient({ ports });
afterAll(() => http.close());
const context = testDriverContext({ clock: ports.clock, network: ports.network, http });
const open = (metadata: Record<string, string>) => driver.open(v.parse(driver.config, metadata), context);

describe.runIf(etcd !== undefined)('lock.etcd, the real server', () => {
  let server: ServerProcess;
  let prefixes = 0;
  beforeAll(async () => {
    server = await startEtcd(etcd as string);
  });
  afterAll(() => server.destroy());

  lockSuite({
    name: 'lock.etcd',
    fencing: true,
    server: () => server,
    async open() {
      const place = { endpoints: `127.0.0.1:${server.port}`, keyPrefixPath: `suite${prefixes++}` };
      const [store, second] = [await open(place), await open(place)];
      return {
        store,
        second,
        advance: ageEtcd(server.port),
        destroy: async () => void (await Promise.all([store.close(), second.close()])),
      };
    },
  });
});
