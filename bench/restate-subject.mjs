// A Restate service of five durable steps in a row, and a client of the server's ingress, in one process: `<sdk> <admin port> <ingress port> <seconds> <lanes>`.
import { Agent, request } from 'node:http';
import { createServer } from 'node:http2';
import { pathToFileURL } from 'node:url';
import { measure } from './workflow-load.mjs';

// The SDK is written for Node 22.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};
const [sdk] = process.argv.slice(2);
const [admin, ingress, seconds, lanes] = process.argv.slice(3).map(Number);
// A line per invocation would be part of the work.
process.env.RESTATE_LOGGING = 'ERROR';
const restate = await import(pathToFileURL(sdk).href);

const chain = restate.service({
  name: 'chain',
  handlers: {
    async run(ctx, input) {
      let value = input;
      for (let i = 0; i < 5; i++) value = await ctx.run(`step ${i}`, async () => value + 1);
      return value;
    },
  },
});
const server = createServer(restate.createEndpointHandler({ services: [chain] }));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const agent = new Agent({ keepAlive: true, maxSockets: lanes });
function post(port, path, body) {
  return new Promise((resolve, reject) => {
    const head = { host: '127.0.0.1', port, path, method: 'POST', agent, headers: { 'content-type': 'application/json' } };
    const sent = request(head, (response) => {
      let text = '';
      response.on('data', (part) => (text += part));
      response.on('end', () => (response.statusCode < 300 ? resolve(text) : reject(new Error(`${response.statusCode} ${text}`))));
    });
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
  });
}

await post(admin, '/deployments', { uri: `http://127.0.0.1:${server.address().port}`, force: true });
const one = async () => {
  const answer = await post(ingress, '/chain/run', 1);
  if (answer !== '6') throw new Error(answer);
};
// A deployment is known a moment after it was registered.
for (let tries = 0; ; tries++) {
  try {
    await one();
    break;
  } catch (error) {
    if (tries === 50) throw error;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
await measure(one, seconds, lanes);
process.exit(0);
