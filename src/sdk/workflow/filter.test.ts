import { expect, it } from 'vitest';
import type { WorkflowFilter } from '../../contracts/workflow.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createWorkflows, type WorkflowOperations } from './client.ts';
import { filterChecked } from './filter.ts';

it('lets through what is a filter, without what is undefined', () => {
  const filter = { name: 'order', statuses: ['FAILED', 'STALLED'], createdToMs: 7, attributes: { of: 'x' } } as const;
  expect(filterChecked({ ...filter, createdFromMs: undefined } as never)).toEqual(filter);
});

it.each([
  [
    { statuses: ['FOO'] },
    '"FOO" is no status of a workflow',
    'RUNNING, PENDING, SUSPENDED, STALLED, COMPLETED, FAILED, TERMINATED, CANCELED',
  ],
  [{ statuses: ['completed'] }, '"completed" is no status of a workflow', 'COMPLETED'],
  [{ statuses: 'FAILED' }, 'statuses must be a list', 'RUNNING'],
  [{ statuses: [] }, 'statuses must be a list with at least one status', 'any'],
  [{ status: ['FAILED'] }, '"status" is no filter of workflows', 'did you mean statuses?'],
] as const)('refuses %j, which would match nothing or everything', (filter, message, hint) => {
  expect(() => filterChecked(filter as never)).toThrow(
    expect.objectContaining({ code: 'bad-request', message: expect.stringContaining(message), hint: expect.stringContaining(hint) }),
  );
});

it('guards the list and the purge of the client', async () => {
  const asked: WorkflowFilter[] = [];
  const operations: Partial<WorkflowOperations> = {
    async list(filter) {
      asked.push(filter);
      return { instances: [] };
    },
    async purgeWhere(filter) {
      asked.push(filter);
      return { count: 0, complete: true };
    },
  };
  const client = createWorkflows(createFakeClock(), operations as WorkflowOperations);
  await expect(client.list({ statuses: ['FOO' as never] })).rejects.toMatchObject({ code: 'bad-request' });
  await expect(client.purge({ status: 'FAILED' } as never)).rejects.toMatchObject({ code: 'bad-request' });
  await expect(client.purge({ name: undefined } as never)).rejects.toMatchObject({ message: 'purge got no filter' });
  expect(asked).toEqual([]);
  await client.list();
  await client.purge({ name: 'order' });
  expect(asked).toEqual([{}, { name: 'order' }]);
});
