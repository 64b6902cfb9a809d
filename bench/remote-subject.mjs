// One side of a pair of Node processes that call each other: `remote-subject.mjs <kind> serve <port> <place>` or
// `... <kind> call <port> <place> <callers> <ms>`, which prints as JSON: calls per
// second and CPU microseconds per call, both without warming up, and the number of all calls. The place is what the two have in common: the data directory of Proa, the port of moleculer's calling side.
import http from 'node:http';
import { fileURLToPath } from 'node:url';

const [, , kind, role, port, place, callers, durationMs] = process.argv;
const answer = { id: 12345, name: 'a small answer', items: [1, 2, 3], ok: true };
const root = new URL('..', import.meta.url);
const library = (name) => import(fileURLToPath(new URL(`dist/${name}.js`, root)));

const kinds = {
  http: {
    serve() {
      const text = JSON.stringify(answer);
      http
        .createServer((request, response) => {
          request.resume();
          request.on('end', () => response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length }).end(text));
        })
        .listen(Number(port), '127.0.0.1');
    },
    call() {
      const agent = new http.Agent({ keepAlive: true, maxSockets: Number(callers) });
      const headers = { 'content-type': 'application/json', 'content-length': 7 };
      return () =>
        new Promise((resolve, reject) => {
          const request = http.request(
            { agent, host: '127.0.0.1', port: Number(port), method: 'POST', path: '/answer', headers },
            (response) => {
              let text = '';
              response.setEncoding('utf8');
              response.on('data', (chunk) => (text += chunk));
              response.on('end', () => resolve(JSON.parse(text)));
            },
          );
          request.on('error', reject);
          request.end('{"n":1}');
        });
    },
  },
  proa: {
    async serve() {
      const [{ createRuntime }, { createApp }] = [await library('index'), await library('sdk')];
      const app = createApp().handle('answer', () => answer);
      await createRuntime({ appId: 'called', dataDirectory: place, app });
    },
    async call() {
      const { createRuntime } = await library('index');
      const runtime = await createRuntime({ appId: 'calling', dataDirectory: place });
      return () => runtime.invoke('called', 'answer', { n: 1 });
    },
  },
  moleculer: {
    async serve() {
      const broker = await moleculer('called', Number(port));
      broker.createService({ name: 'bench', actions: { answer: () => answer } });
      await broker.start();
    },
    async call() {
      const broker = await moleculer('calling', Number(place));
      await broker.start();
      await broker.waitForServices('bench');
      return () => broker.call('bench.answer', { n: 1 });
    },
  },
};

// Each side knows where the other is: neither asks the network.
async function moleculer(nodeID, own) {
  const { ServiceBroker } = (await import('moleculer')).default;
  const urls = [`127.0.0.1:${port}/called`, `127.0.0.1:${place}/calling`];
  const transporter = { type: 'TCP', options: { udpDiscovery: false, port: own, urls } };
  return new ServiceBroker({ nodeID, logger: false, transporter });
}

if (role === 'serve') {
  await kinds[kind].serve();
  console.log('ready');
} else {
  const call = await kinds[kind].call();
  await answered(call);
  const warm = await run(call, 1_000);
  const measured = await run(call, Number(durationMs));
  const { rate, cpu } = measured;
  console.log(JSON.stringify({ rate, cpu, calls: warm.count + measured.count }));
  process.exit(0);
}

/** The other side may not be known yet. */
async function answered(call) {
  for (let i = 0; ; i++) {
    const answered = await call().catch((error) => error);
    if (answered.id === answer.id) return;
    if (i > 100) throw new Error('no answer', { cause: answered });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function run(call, ms) {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  let count = 0;
  const caller = async () => {
    while (performance.now() - begun < ms) {
      await call();
      count++;
    }
  };
  await Promise.all(Array.from({ length: Number(callers) }, caller));
  const seconds = (performance.now() - begun) / 1000;
  const used = process.cpuUsage(cpu);
  return { rate: count / seconds, count, cpu: (used.user + used.system) / count };
}
