import { describe, expect, it } from 'vitest';
import { addressKind, parseEgressDeny } from './egress.ts';

describe('the kind of an address', () => {
  it.each([
    ['169.254.169.254', 'forbidden'],
    ['::ffff:169.254.169.254', 'forbidden'],
    ['::ffff:a9fe:a9fe', 'forbidden'],
    ['::169.254.169.254', 'forbidden'],
    ['64:ff9b::a9fe:a9fe', 'forbidden'],
    ['2002:a9fe:a9fe::', 'forbidden'],
    ['fe80::1%eth0', 'forbidden'],
    ['[fe80::1]', 'forbidden'],
    ['fd00:ec2::254', 'forbidden'],
    ['FD00:0EC2:0:0:0:0:0:0254', 'forbidden'],
    ['100.100.100.200', 'forbidden'],
    ['224.0.0.1', 'forbidden'],
    ['255.255.255.255', 'forbidden'],
    ['ff02::1', 'forbidden'],
    ['metadata.google.internal', 'forbidden'],
    ['', 'forbidden'],
    ['1.2.3', 'forbidden'],
    ['1.2.3.256', 'forbidden'],
    ['::g', 'forbidden'],
    ['127.0.0.1', 'loopback'],
    ['127.8.9.1', 'loopback'],
    ['0.0.0.0', 'loopback'],
    ['::1', 'loopback'],
    ['::', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['64:ff9b::7f00:1', 'loopback'],
    ['10.0.0.1', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'private'],
    ['fd12:3456::1', 'private'],
    ['::ffff:10.1.2.3', 'private'],
    ['172.32.0.1', 'public'],
    ['8.8.8.8', 'public'],
    ['100.128.0.1', 'public'],
    ['2001:db8::1', 'public'],
    ['::ffff:8.8.8.8', 'public'],
    ['2002:808:808::1', 'public'],
  ] as const)('%s is %s', (address, kind) => expect(addressKind(address)).toBe(kind));
});

it('reads what is denied, and refuses other words', () => {
  expect([...parseEgressDeny(' loopback,private ')]).toEqual(['loopback', 'private']);
  expect([...parseEgressDeny('')]).toEqual([]);
  expect(() => parseEgressDeny('privat')).toThrow('"privat" is neither loopback nor private');
});
