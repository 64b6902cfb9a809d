import type { Ports } from '../kernel/ports.ts';
import { exitCodes } from './context.ts';
import type { FlagValues } from './flags.ts';
import { callHttp } from './http-call.ts';
import type { Output } from './output.ts';
import { valueOrDefault } from './parse-args.ts';

/** daprd's `--wait`: polls `/v1.0/healthz/outbound` of the sidecar on --dapr-http-port; at most a minute. */
export async function waitForSidecar(ports: Ports, values: FlagValues, output: Output): Promise<number> {
  const port = valueOrDefault(values, 'dapr-http-port') as number;
  const untilMs = ports.clock.mono() + 60_000;
  while (ports.clock.mono() < untilMs) {
    const answer = await callHttp(ports, { port, method: 'GET', path: '/v1.0/healthz/outbound', timeoutMs: 1000 }).catch(() => undefined);
    if (answer !== undefined && answer.status >= 200 && answer.status < 300) return exitCodes.ok;
    await new Promise<void>((resolve) => void ports.clock.timer(100, resolve));
  }
  output.error(`the sidecar on port ${port} is not ready after a minute`);
  return exitCodes.failed;
}
