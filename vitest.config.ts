import { defineConfig } from 'vitest/config';

// Units and contract suites: no timing, no fixed ports, two workers.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    reporters: ['default'],
  },
});
