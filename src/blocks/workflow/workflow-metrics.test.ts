import { afterEach, describe, expect, it } from 'vitest';
import { memoryEngine, openWorkflows, scriptedWorker, type WorkflowRuntime } from '../../../test/fixtures/workflow-rig.ts';
import { neverCancelled } from '../../kernel/cancel.ts';
import { createMetricsRegistry } from '../../telemetry/metrics-registry.ts';

const open: WorkflowRuntime[] = [];
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

describe('metrics of workflows', () => {
  it("have Dapr's names and labels", async () => {
    const metrics = createMetricsRegistry({ app_id: 'app' });
    const engine = memoryEngine();
    const runtime = openWorkflows({ engine, metrics });
    const guests = createMetricsRegistry({ app_id: 'guest' });
    const guest = openWorkflows({ engine, appId: 'guest', metrics: guests });
    open.push(runtime, guest);
    const { block } = runtime;
    block.attach(
      scriptedWorker({
        workflows: {
          parent: ({ all, pastCount }) => {
            if (pastCount === 0) return [{ id: 1, type: 'createChild', name: 'child' }];
            return all.some(({ type }) => type === 'childCompleted') ? [{ id: 2, type: 'complete', status: 'COMPLETED' }] : [];
          },
          child: ({ results }) =>
            results.length > 0
              ? [{ id: 2, type: 'complete', status: 'COMPLETED' }]
              : [{ id: 1, type: 'scheduleTask', name: 'work', input: 'x'.repeat(2 * 1024 * 1024) }],
        },
        activities: { work: () => '' },
      }),
    );
    const id = await block.start({ name: 'parent' });
    await block.wait(id, 'completed', neverCancelled);
    await block.get(id, false);
    await block.setAccess([{ callers: ['guest'], workflows: [{ name: 'parent', operations: ['get'] }], activities: [] }]);
    await guest.block.of('app', undefined).get(id, false);
    await guest.block
      .of('app', undefined)
      .raise(id, 'e', undefined)
      .catch(() => {});
    const acl = (said: string, operation: string) =>
      `dapr_runtime_workflow_acl_action_${said}_total{app_id="guest",src_app_id="guest",operation="${operation}",type="workflow"} 1`;
    for (const line of [acl('allowed', 'get'), acl('denied', 'raise')]) expect(guests.print('prometheus')).toContain(line);
    await block.setAccess(undefined);
    await block.purge(id, { recursive: true, force: false });
    const text = metrics.print('prometheus');
    const series = [
      'operation_count{app_id="app",operation="create_workflow",status="success"} 1',
      'operation_count{app_id="app",operation="purge_workflow",status="success"} 1',
      'operation_latency_count{app_id="app",operation="get_workflow",status="success"} 1',
      'execution_count{app_id="app",workflow_name="parent",status="success"} 1',
      'execution_latency_count{app_id="app",workflow_name="child",status="success"} 1',
      'scheduling_latency_count{app_id="app",workflow_name="child"} 1',
      'activity_operation_count{app_id="app",activity_name="work",status="success"} 1',
      'activity_execution_latency_count{app_id="app",activity_name="work",status="success"} 1',
      'payload_size_ratio_count{app_id="app",workflow_name="parent"} 2',
      'activity_payload_size_ratio_bucket{app_id="app",workflow_name="child",activity_name="work",le="0.5"} 1',
      'activity_payload_size_ratio_bucket{app_id="app",workflow_name="child",activity_name="work",le="0.25"} 0',
      'completion_route_count{app_id="app",task_type="activity",route="local"} 1',
      'completion_route_count{app_id="app",task_type="child",route="local"} 1',
    ];
    for (const line of series) expect(text).toContain(`dapr_runtime_workflow_${line}`);
    expect(text).toMatch(/dapr_runtime_workflow_lock_wait_count\{app_id="app",operation="add_event"\} [1-9]/);
  });
});
