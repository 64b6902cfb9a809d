import type { Session } from 'node:inspector';
import type { Profiler } from '../../kernel/ports.ts';

/** V8's own profiler, in this process and without a debugger's port. */
export const nodeProfiler: Profiler = {
  async cpuProfile(durationMs) {
    const session = open();
    try {
      await post(session, 'Profiler.enable');
      await post(session, 'Profiler.start');
      await new Promise((resolve) => setTimeout(resolve, durationMs));
      const { profile } = (await post(session, 'Profiler.stop')) as { profile: unknown };
      return JSON.stringify(profile);
    } finally {
      session.disconnect();
    }
  },
  async heapSnapshot(chunk) {
    const session = open();
    session.on('HeapProfiler.addHeapSnapshotChunk', ({ params }) => chunk(params.chunk));
    try {
      await post(session, 'HeapProfiler.takeHeapSnapshot');
    } finally {
      session.disconnect();
    }
  },
};

function open(): Session {
  // Loaded on first use: hardly anybody asks for a profile.
  const { Session: Opened } = process.getBuiltinModule('node:inspector');
  const session = new Opened();
  session.connect();
  return session;
}

function post(session: Session, method: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    session.post(method, (error: Error | null, result?: object) => (error === null ? resolve(result) : reject(error)));
  });
}
