// The least that a durable write over HTTP can cost here: `<port> <directory>`. Proa's codec, the bytes of the body appended and synced in groups, an answer
// without content. No routes, no JSON, no checksum, no index: nobody could read what it keeps.
import { join } from 'node:path';
import { collect } from '../src/kernel/body.ts';
import { nodeClock } from '../src/ports/node/clock.ts';
import { createNodeNetwork } from '../src/ports/node/network.ts';
import { serveHttp1 } from '../src/wire/http1/server.ts';
import { openBareLog } from './bare-log.ts';

const [port, directory] = process.argv.slice(2) as [string, string];
const log = await openBareLog(join(directory, `floor-${port}`), 'write');

await serveHttp1({
  network: createNodeNetwork(),
  clock: nodeClock,
  address: { host: '127.0.0.1', port: Number(port) },
  handler: (request, response) => {
    void collect(request.body, 1_000_000)
      .then((bytes) => log.put(bytes))
      .then(() => response.send(204, [], ''));
  },
});
process.on('SIGINT', () => process.exit(0));
