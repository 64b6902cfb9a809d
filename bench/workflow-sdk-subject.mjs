// The official SDK's worker and client in one process, against a runtime's gRPC port: `<port> <seconds> <lanes>`.
import { DaprWorkflowClient, WorkflowRuntime } from '@dapr/dapr';
import { measure } from './workflow-load.mjs';

const [port, seconds, lanes] = process.argv.slice(2).map(Number);
// It prints a line per event.
const print = console.log;
for (const level of ['log', 'info', 'warn', 'error', 'debug']) console[level] = () => {};

const options = { daprHost: '127.0.0.1', daprPort: String(port) };
const plusOne = async (_, input) => input + 1;
const chain = async function* (context, input) {
  let value = input;
  for (let i = 0; i < 5; i++) value = yield context.callActivity(plusOne, value);
  return value;
};
const worker = new WorkflowRuntime(options);
worker.registerWorkflowWithName('chain', chain).registerActivityWithName('plusOne', plusOne);
await worker.start();
const client = new DaprWorkflowClient(options);
const one = async () => {
  const id = await client.scheduleNewWorkflow('chain', 1);
  const state = await client.waitForWorkflowCompletion(id, true, 60);
  if (state?.serializedOutput !== '6') throw new Error(String(state?.serializedOutput));
};
await measure(one, seconds, lanes, print);
process.exit(0);
