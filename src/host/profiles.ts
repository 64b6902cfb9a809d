import { ProaError } from '../kernel/errors.ts';
import type { Address, Ports, Profiler } from '../kernel/ports.ts';
import type { Http1Request } from '../wire/http1/request.ts';
import type { Http1Response } from '../wire/http1/response.ts';
import { serveHttp1 } from '../wire/http1/server.ts';
import { listening } from './bound-port.ts';

const secondsDefault = 30;
const secondsMax = 300;
const plain = ['content-type', 'text/plain; charset=utf-8'];
const index = `GET /debug/pprof/profile?seconds=30   a CPU profile (.cpuprofile)
GET /debug/pprof/heap                 a heap snapshot (.heapsnapshot); the process stands still meanwhile, and strings of its memory are in it
`;

/**
 * Serves profiles of this process on loopback: what daprd offers at the same paths, in V8's formats, which browsers and editors open. Fails with
 * `config.port-taken`.
 */
export async function serveProfiles(
  ports: Pick<Ports, 'network' | 'clock'>,
  profiler: Profiler,
  port: number,
): Promise<{ readonly address: Address; close(): Promise<void> }> {
  const profiles = new Profiles(profiler);
  const address = { host: '127.0.0.1', port };
  const handler = (request: Http1Request, response: Http1Response): void => {
    request.body.discard();
    profiles.answer(request, response).catch((error: unknown) => response.send(500, plain, `${ProaError.from(error).message}\n`));
  };
  return listening(() => serveHttp1({ ...ports, address, handler }), address);
}

class Profiles {
  readonly #profiler: Profiler;
  #busy = false;

  constructor(profiler: Profiler) {
    this.#profiler = profiler;
  }

  async answer(request: Http1Request, response: Http1Response): Promise<void> {
    // A page that a browser shows could otherwise reach this port under a name of its own.
    if (!/^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(request.header('host') ?? ''))
      return response.send(403, plain, 'only for localhost\n');
    if (request.method !== 'GET') return response.send(405, [...plain, 'allow', 'GET'], 'GET only\n');
    const path = request.path.replace(/\/$/, '');
    if (path === '' || path === '/debug/pprof') return response.send(200, plain, index);
    if (path !== '/debug/pprof/profile' && path !== '/debug/pprof/heap') return response.send(404, plain, index);
    if (this.#busy) return response.send(409, plain, 'a profile is being taken already\n');
    this.#busy = true;
    try {
      if (path === '/debug/pprof/heap') await this.#heap(response);
      else await this.#cpu(request, response);
    } finally {
      this.#busy = false;
    }
  }

  async #cpu(request: Http1Request, response: Http1Response): Promise<void> {
    const seconds = Number(new URLSearchParams(request.query ?? '').get('seconds') ?? secondsDefault);
    if (!(seconds > 0 && seconds <= secondsMax))
      return response.send(400, plain, `seconds must be more than 0 and at most ${secondsMax}\n`);
    const profile = await this.#profiler.cpuProfile(seconds * 1000);
    response.send(200, asFile('proa.cpuprofile'), Buffer.from(profile));
  }

  async #heap(response: Http1Response): Promise<void> {
    const parts: Buffer[] = [];
    await this.#profiler.heapSnapshot((part) => parts.push(Buffer.from(part)));
    response.send(200, asFile('proa.heapsnapshot'), Buffer.concat(parts));
  }
}

function asFile(name: string): string[] {
  return ['content-type', 'application/json', 'content-disposition', `attachment; filename="${name}"`];
}
