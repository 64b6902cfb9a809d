// What the layers cost by themselves: microseconds per call in one process, without sockets and without a disk.
import { join } from 'node:path';
import { directory, measured } from './harness.mjs';

export async function run() {
  const { stack, calling, called, front } = await measured('bench/stack-subject.ts', 0);
  const { wrapUs, scanUs, publishUs } = await measured('bench/publish-subject.ts', 0);
  const path = async (kind, ...fresh) =>
    (await measured('bench/path-subject.ts', 0, [kind, join(directory, `path-${kind}${fresh.length}`), ...fresh])).us;
  return {
    conditions: 'one core; metrics on, traces propagated, 1 % sampled; events of 379 bytes, 64 publishers, memory engine',
    figures: [
      { name: 'default stack of an invocation (µs)', value: stack, atMost: 1.5 },
      { name: 'stack with every policy class, calling side (µs)', value: calling, atMost: 5 },
      { name: 'stack with every policy class, called side (µs)', value: called, atMost: 5 },
      { name: 'HTTP front and invocation block, sockets and codec left out (µs)', value: front },
      { name: 'codec as a proxy, without the kernel (µs)', value: await path('codec') },
      { name: 'the same when no head repeats another (µs)', value: await path('codec', 'fresh') },
      { name: 'proxied invocation, without the kernel (µs)', value: await path('invoke') },
      { name: 'the same when no head repeats another (µs)', value: await path('invoke', 'fresh') },
      { name: 'state read over HTTP, without the kernel (µs)', value: await path('state') },
      { name: 'envelope of an event (µs)', value: wrapUs },
      { name: 'scan of its JSON (µs)', value: scanUs },
      { name: 'publish to acknowledged delivery, CPU (µs)', value: publishUs },
    ],
  };
}
