import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePacket, encodePacket, recordTypes, sameName, type DnsRecord, type Packet } from './packet.ts';

// Written by npm's dns-packet 5.6.1, which `multicast-dns` uses; the last record is an OPT, which is left out.
const foreign =
  '0007840000010003000000030473686f70056c6f63616c00000c00010473686f70056c6f63616c00000c00010000003c001407686f73743a31320473686f70056c6f63616c00' +
  '07686f73743a31320473686f70056c6f63616c00002180010000003c001200000000c35204686f7374056c6f63616c00' +
  '07686f73743a31320473686f70056c6f63616c00001080010000003c00140473686f700e70726f612d7a6f6e653d77657374' +
  '04686f7374056c6f63616c00000180010000007800040a000007' +
  '04686f7374056c6f63616c00001c8001000000780010fd000000000000000000000000000007' +
  '0000291000000000000000';
const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
const instance = ['host:12', 'shop', 'local'];
const records: DnsRecord[] = [
  { type: recordTypes.PTR, name: ['shop', 'local'], target: instance, ttlSeconds: 60, flush: false },
  { type: recordTypes.SRV, name: instance, port: 50_002, target: ['host', 'local'], ttlSeconds: 60, flush: true },
  { type: recordTypes.TXT, name: instance, texts: ['shop', 'proa-zone=west'], ttlSeconds: 60, flush: true },
  { type: recordTypes.A, name: ['host', 'local'], address: '10.0.0.7', ttlSeconds: 120, flush: true },
  { type: recordTypes.AAAA, name: ['host', 'local'], address: 'fd00::7', ttlSeconds: 120, flush: true },
];
const question = { name: ['shop', 'local'], type: recordTypes.PTR };

describe('messages of multicast DNS', () => {
  it('reads what dns-packet writes, and writes a question as it does', () => {
    expect(decodePacket(bytesOf(foreign))).toEqual({ id: 7, response: true, questions: [question], records });
    const query = encodePacket({ id: 0, response: false, questions: [question], records: [] });
    expect(Buffer.from(query).toString('hex')).toBe('0000000000010000000000000473686f70056c6f63616c00000c0001');
    const answer = encodePacket({ id: 7, response: true, questions: [question], records });
    // The same bytes, but for the OPT and where the counts put the addresses.
    expect(Buffer.from(answer).toString('hex').slice(24)).toBe(foreign.slice(24, -22));
  });

  it('reads names with pointers', () => {
    const pointed = bytesOf('0000840000000001000000000473686f70056c6f63616c00000c00010000003c000704686f7374c00c');
    expect(decodePacket(pointed)?.records[0]).toMatchObject({ name: ['shop', 'local'], target: ['host', 'shop', 'local'] });
  });

  it.each([
    ['nothing', ''],
    ['a head that is cut', '00078400'],
    ['a name that points at itself', '000084000000000100000000c00c000c00010000003c0002c00c'],
    ['two names that point at each other', '000084000000000100000000c00e000c00010000003c0002c00c'],
    ['a name that points ahead', '000084000000000100000000c0ff000c00010000003c0002c00c'],
    ['a record longer than the message', '00008400000000010000000001610000100001000000' + '3cffff'],
    ['a text longer than its record', '0000840000000001000000000161000010000100' + '00003c0002ff61'],
    ['more records than there can be', '0000840000000fff00000fff'],
  ])('refuses %s', (_what, hex) => {
    expect(decodePacket(bytesOf(hex))).toBeUndefined();
  });

  it('never throws, whatever arrives', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void decodePacket(bytes)));
    const valid = bytesOf(foreign);
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.nat(255), (at, value) => {
        const damaged = Uint8Array.from(valid);
        damaged[at] = value;
        decodePacket(damaged);
      }),
    );
  });

  it('reads what it wrote', () => {
    const label = fc.string({ minLength: 1, maxLength: 15 });
    const name = fc.array(label, { minLength: 1, maxLength: 4 });
    const record: fc.Arbitrary<DnsRecord> = fc.record({
      type: fc.constant(recordTypes.SRV),
      name,
      target: name,
      port: fc.nat(65_535),
      ttlSeconds: fc.nat(4_000),
      flush: fc.boolean(),
    });
    const texts: fc.Arbitrary<DnsRecord> = fc.record({
      type: fc.constant(recordTypes.TXT),
      name,
      texts: fc.array(label),
      ttlSeconds: fc.nat(4_000),
      flush: fc.boolean(),
    });
    const packet: fc.Arbitrary<Packet> = fc.record({
      id: fc.nat(65_535),
      response: fc.boolean(),
      questions: fc.array(fc.record({ name, type: fc.constant(recordTypes.PTR) }), { maxLength: 3 }),
      records: fc.array(fc.oneof(record, texts), { maxLength: 5 }),
    });
    fc.assert(
      fc.property(packet, (sent) => {
        expect(decodePacket(encodePacket(sent))).toEqual(sent);
      }),
    );
  });

  it('does not write what cannot be', () => {
    const write = (record: DnsRecord) => encodePacket({ id: 0, response: true, questions: [], records: [record] });
    const base = { name: ['a', 'local'], ttlSeconds: 1 };
    expect(() => write({ ...base, type: recordTypes.PTR, target: ['x'.repeat(64)] })).toThrow('label');
    expect(() => write({ ...base, type: recordTypes.PTR, target: Array.from({ length: 6 }, () => 'x'.repeat(60)) })).toThrow('too long');
    expect(() => write({ ...base, type: recordTypes.TXT, texts: ['x'.repeat(256)] })).toThrow('255');
    expect(() => write({ ...base, type: recordTypes.TXT, texts: Array.from({ length: 40 }, () => 'x'.repeat(255)) })).toThrow('too large');
  });

  it('compares names as DNS does', () => {
    expect(sameName(['Shop', 'LOCAL'], ['shop', 'local'])).toBe(true);
    expect(sameName(['shop'], ['shop', 'local'])).toBe(false);
  });
});
