import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../../gen/grpc/health/v1/health_pb.ts';
import { ProaError } from '../../kernel/errors.ts';
import { implement, type Method, type ServerCall } from './method.ts';

export interface HealthService {
  readonly methods: readonly Method[];
  /** Tells watchers, too. The empty name is the server as a whole. */
  set(service: string, serving: boolean): void;
}

/** `grpc.health.v1.Health` for the named services and the server as a whole; all are serving at first. */
export function createHealth(services: readonly string[]): HealthService {
  const statuses = new Map<string, ServingStatus>([['', ServingStatus.SERVING]]);
  for (const service of services) statuses.set(service, ServingStatus.SERVING);
  const watchers = new Set<(service: string) => void>();
  const methods = implement(Health, {
    async check({ service }) {
      const status = statuses.get(service);
      if (status === undefined) throw new ProaError('not-found', `there is no service ${JSON.stringify(service)} here`);
      return { status };
    },
    async list() {
      return { statuses: Object.fromEntries([...statuses].map(([service, status]) => [service, { status }])) };
    },
    async watch({ service }, call, out) {
      let told: ServingStatus | undefined;
      while (!call.cancel.cancelled) {
        const status = statuses.get(service) ?? ServingStatus.SERVICE_UNKNOWN;
        if (status !== told) await out.write({ status });
        told = status;
        if ((statuses.get(service) ?? ServingStatus.SERVICE_UNKNOWN) === told) await changed(watchers, service, call);
      }
    },
  });
  return {
    methods,
    set(service, serving) {
      statuses.set(service, serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);
      for (const watcher of watchers) watcher(service);
    },
  };
}

function changed(watchers: Set<(service: string) => void>, service: string, call: ServerCall): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      watchers.delete(watcher);
      unlink();
      resolve();
    };
    const watcher = (name: string): void => {
      if (name === service) done();
    };
    watchers.add(watcher);
    let unlink = (): void => {};
    unlink = call.cancel.onCancel(done);
  });
}
