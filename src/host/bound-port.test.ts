import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { nodePorts } from '../ports/node/index.ts';
import type { Address } from '../kernel/ports.ts';
import { listening } from './bound-port.ts';

const { network } = nodePorts();
const listen = (address: Address) => listening(() => network.listen(address, () => {}), address);
const refused = (code: string, address: Address) => listening(() => Promise.reject(Object.assign(new Error(code), { code })), address);

describe('a place where nothing can listen', () => {
  it('is told with its number when somebody else has it', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    await expect(listen({ host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'config.port-taken',
      message: `port ${port} is in use by another process`,
      hint: expect.stringContaining('choose another port') as string,
    });
    other.close();
  });

  it.each<[string, Address, string]>([
    [
      'an address of another machine',
      { host: '192.0.2.1', port: 0 },
      '"192.0.2.1" is no address of this machine: nothing can listen there',
    ],
    ['a folder that is not there', { path: '/proa-nowhere/x.sock' }, 'the socket /proa-nowhere/x.sock cannot be made'],
    ['a path that is too long', { path: `/tmp/${'x'.repeat(200)}` }, `the socket /tmp/${'x'.repeat(200)} cannot be made`],
  ])('is told as what it is: %s', async (_what, address, message) => {
    await expect(listen(address)).rejects.toMatchObject({ code: 'config.invalid', message, hint: expect.any(String) as string });
  });

  it('is told as what it is: a port of the system', async () => {
    await expect(refused('EACCES', { host: '127.0.0.1', port: 80 })).rejects.toMatchObject({
      code: 'config.invalid',
      message: 'this user may not listen on port 80',
    });
  });

  it('is passed on when nobody knows why', async () => {
    await expect(refused('EIO', { host: '127.0.0.1', port: 1 })).rejects.toMatchObject({ code: 'EIO' });
  });
});
