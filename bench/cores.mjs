// What another process adds (`--workers 2`): state reads, where client and server share both cores of the machine.
import { interleaved, ratioOf, startProa, which, wrk } from './harness.mjs';

export async function run() {
  if (which('wrk') === undefined) return { skipped: 'wrk is not installed' };
  const shots = {};
  for (const workers of [1, 2]) {
    const proa = await startProa(['--app-id', 'bench', '--workers', String(workers)], {});
    const state = `http://127.0.0.1:${proa.http}/v1.0/state/statestore`;
    const saved = await fetch(state, { method: 'POST', body: '[{"key":"k","value":{"id":12345,"name":"a small answer","ok":true}}]' });
    if (saved.status !== 204) throw new Error(`state cannot be saved: ${saved.status} ${await saved.text()}`);
    shots[`state get, ${workers} process${workers > 1 ? 'es' : ''}`] = () => wrk(`${state}/k`, { pid: proa.child.pid, connections: 64 });
  }
  const rows = await interleaved(shots);
  return {
    conditions: '64 connections; nothing pinned but wrk, which shares one of the two cores: the gain is bounded by what it leaves',
    rows,
    ratios: [ratioOf(rows, 'two processes / one', ['state get, 2 processes', 'state get, 1 process'])],
  };
}
