import { describe, expect, it } from 'vitest';
import { parseEgressAllow, type EgressTargets } from './egress-allow.ts';

const list = (targets: string): EgressTargets => parseEgressAllow(`web=${targets}`).of('web') as EgressTargets;

describe('the lists of what components may call', () => {
  it('are by component; others have that of everybody, or none', () => {
    const lists = parseEgressAllow(' a = x.test ; b=\n@urls=y.test:443;;');
    expect(lists.of('a')?.name('x.test', 1)).toBe(true);
    expect(lists.of('b')?.name('x.test', 1)).toBe(false);
    expect(lists.of('@urls')?.name('y.test', 443)).toBe(true);
    expect(lists.of('c')).toBeUndefined();
    expect(parseEgressAllow('a=x;*=y').of('c')?.name('y', 1)).toBe(true);
    expect(parseEgressAllow('a=x;*=y').of('a')?.name('y', 1)).toBe(false);
    expect(parseEgressAllow('').of('a')).toBeUndefined();
  });

  it.each([
    ['Api.Example', 'api.example.', 80, true],
    ['api.example', 'xapi.example', 80, false],
    ['*.example', 'a.b.example', 80, true],
    ['*.example', 'example', 80, false],
    ['*.example', 'notexample', 80, false],
    ['api.example:443', 'api.example', 80, false],
    ['api.example:443', 'api.example', 443, true],
    ['10.0.0.0/8', '10.example', 80, false],
  ])('%s and the name %s, port %i: %s', (targets, host, port, fits) => expect(list(targets).name(host, port)).toBe(fits));

  it.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.0/8', '::ffff:10.1.1.1', true],
    ['192.168.1.128/25', '192.168.1.127', false],
    ['192.168.1.128/25', '192.168.1.128', true],
    ['192.168.1.1', '192.168.1.1', true],
    ['192.168.1.1', '192.168.1.2', false],
    ['0.0.0.0/0', '8.8.8.8', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['fd00::/8', 'fdff::1', true],
    ['fd00::/8', 'fe00::1', false],
    ['2001:db8::1', '2001:0db8:0::1', true],
    ['[2001:db8::1]:80', '2001:db8::1', true],
    ['[2001:db8::]/32', '2001:db8::1', true],
    ['[2001:db8::/33]:80', '2001:db8:8000::', false],
    ['::/0', '8.8.8.8', true],
    ['api.example', '8.8.8.8', false],
    ['10.0.0.0/8', 'name.example', false],
  ])('%s and the address %s: %s', (targets, address, fits) => expect(list(targets).address(address, 80)).toBe(fits));

  it('knows whether an address can be listed at all', () => {
    expect([list('a.example').ranged, list('').ranged, list('a,10.0.0.1').ranged]).toEqual([false, false, true]);
  });

  it.each([
    ['x.test', '"x.test" has no component before its "="'],
    ['=x.test', 'has no component'],
    ['a=x;a=y', '"a" has two lists'],
    ['a=http://x.test', '"http://x.test" is no name, address or range'],
    ['a=x.test/path', 'is no name'],
    ['a=*', 'is no name'],
    ['a=a.*.test', 'is no name'],
    ['a=*.', 'is no name'],
    ['a=x.test:0', 'has no port from 1 to 65535'],
    ['a=x.test:65536', 'has no port'],
    ['a=x.test:', 'is no name'],
    ['a=10.0.0.0/33', 'is no name'],
    ['a=10.0.0/8', 'is no name'],
    ['a=1::/129', 'is no name'],
    ['a=1::/x', 'is no name'],
    ['a=10.0.0.0/', 'is no name'],
    [`a=${'x '.repeat(1_001)}`, 'a list has more than 1000 targets'],
  ])('refuses %s', (text, why) => expect(() => parseEgressAllow(text)).toThrow(why));
});
