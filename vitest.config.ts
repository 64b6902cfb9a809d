import { defineConfig } from 'vitest/config';

// Units and contract suites: no timing, no fixed ports, two workers. What speaks HTTP/2 is tried with both codecs, workflows over the engine in memory,
// over a real PostgreSQL, and with signed histories.
// The limits are for what never ends: on a machine with busy neighbours a start of PostgreSQL takes half a minute, and what computes for three seconds thirty.
const shared = { testTimeout: 120_000, hookTimeout: 120_000, teardownTimeout: 60_000, expect: { poll: { timeout: 60_000 } } };
export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: ['default'],
    projects: [
      { test: { ...shared, name: 'unit', include: ['src/**/*.test.ts'] } },
      {
        test: {
          ...shared,
          name: 'postgres',
          include: ['src/blocks/workflow/workflow-*.test.ts', 'src/sdk/workflow/on-engine.test.ts'],
          env: { PROA_TEST_ENGINE: 'postgres' },
        },
      },
      {
        test: {
          ...shared,
          name: 'signed',
          include: ['src/blocks/workflow/workflow-{block,family,shard-again,termination}.test.ts'],
          env: { PROA_TEST_SIGNED: '1' },
        },
      },
      { test: { ...shared, name: 'node:http2', include: ['src/wire/grpc/*.test.ts'], env: { PROA_HTTP2: 'node' } } },
    ],
  },
});
