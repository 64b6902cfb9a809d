/**
 * `proa/testing/workflow`: workflows under test, with any test runner: time that skips, steps that are mocked, events at times, every turn executed twice, crashes
 * at every await, recorded histories against the code of now.
 */
export { assertReplays, replayHistories } from '../sdk/workflow/replay-history.ts';
export type { ReplayResult } from '../sdk/workflow/replay-history.ts';
export { hangs, testWorkflows } from './workflow/workflow-test.ts';
export type { Mock, MockCall, TestApp, TestCall, WorkflowTest, WorkflowTestOptions } from './workflow/workflow-test.ts';
