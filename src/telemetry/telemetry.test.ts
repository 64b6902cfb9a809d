import { describe, expect, it } from 'vitest';
import { createNodeRandom } from '../ports/node/random.ts';
import { nodeClock } from '../ports/node/clock.ts';
import { isTraceparent, noTrace } from '../kernel/trace-context.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { createLogger } from './log-lines.ts';
import { createMetricsRegistry } from './metrics-registry.ts';
import type { Random } from '../kernel/ports.ts';
import { createTracer, type FinishedSpan } from './tracing.ts';

describe('metrics', () => {
  it('prints counters, gauges and cumulative histograms with shared labels, leaving empty labels out', () => {
    const registry = createMetricsRegistry({ app_id: 'a"b' });
    registry.counter('dapr_x_total', { status: '200', path: '' }).add(2);
    registry.counter('dapr_x_total', { status: '200', path: '' }).add(1);
    const latency = registry.histogram('dapr_x_latency', {});
    latency.record(0.5);
    latency.record(3);
    latency.record(1e9);
    const text = registry.print('prometheus');
    expect(text).toContain('dapr_x_total{app_id="a\\"b",status="200"} 3');
    expect(text).toContain('dapr_x_latency_bucket{app_id="a\\"b",le="1"} 1');
    expect(text).toContain('dapr_x_latency_bucket{app_id="a\\"b",le="3"} 2');
    expect(text).toContain('dapr_x_latency_bucket{app_id="a\\"b",le="+Inf"} 3');
    expect(text).toContain('dapr_x_latency_count{app_id="a\\"b"} 3');
    expect(registry.print('openmetrics').endsWith('# EOF\n')).toBe(true);
  });

  it('stops making series at the limit', () => {
    const registry = createMetricsRegistry({});
    for (let i = 0; i < 5_000; i++) registry.counter('dapr_y_total', { path: `/p${i}` }).add(1);
    const lines = registry
      .print('prometheus')
      .split('\n')
      .filter((line) => line.startsWith('dapr_y_total'));
    expect(lines.length).toBeLessThanOrEqual(2_001);
    expect(lines.find((line) => line.includes('overflow'))).toMatch(/ 3000$/);
  });
});

describe('bounds of latencies', () => {
  it('are those of workflows for the latencies of workflows, and the others for the rest', () => {
    const registry = createMetricsRegistry({}, { latencyBounds: [7], workflowLatencyBounds: [5_000, 1_000] });
    for (const name of ['runtime_workflow_activity_execution_latency', 'runtime_workflow_payload_size_ratio', 'http_server_latency']) {
      registry.histogram(`dapr_${name}`, {}).record(2_000);
    }
    const text = registry.print('prometheus');
    const bounds = (name: string): string[] =>
      [...text.matchAll(new RegExp(`^dapr_${name}_bucket\\{le="([^"]+)"\\} (\\d)`, 'gm'))].map(([, le, count]) => `${le} ${count}`);
    expect(bounds('runtime_workflow_activity_execution_latency')).toEqual(['1000 0', '5000 1', '+Inf 1']);
    expect(bounds('http_server_latency')).toEqual(['7 0', '+Inf 1']);
    expect(bounds('runtime_workflow_payload_size_ratio').length).toBeGreaterThan(3);
  });
});

describe('logs', () => {
  const lines: string[] = [];
  const logger = (format: 'json' | 'logfmt' | 'human') =>
    createLogger({
      clock: nodeClock,
      format,
      level: 'info',
      appId: 'app',
      instance: 'host',
      version: '1',
      write: (line) => lines.push(line),
    });

  it('leaves time and app to a reader who shows them already', () => {
    const shared = { clock: nodeClock, format: 'human', level: 'info', appId: 'app', instance: 'host', version: '1' } as const;
    const embedded = createLogger({ ...shared, embedded: true, write: (line) => lines.push(line) });
    lines.length = 0;
    embedded.info('subscribed', { topic: 'x' });
    embedded.warn('slow');
    expect(lines).toEqual(['subscribed topic=x\n', 'warning: slow\n']);
  });

  it('prints lists below the line for people, where nothing can pass for a line of its own, and whole for machines', () => {
    lines.length = 0;
    const fields = { source: 'a.ts:1', details: ['recorded | now', '', 'x\n12:00 INFO app forged'] };
    for (const format of ['human', 'json', 'logfmt'] as const) logger(format).warn('stalled', fields);
    const [human = '', json = '', logfmt = ''] = lines.splice(0);
    expect(human.slice(13)).toBe('WARNING app stalled source=a.ts:1\n    recorded | now\n\n    x\\x0a12:00 INFO app forged\n');
    expect(JSON.parse(json)).toMatchObject({ msg: 'stalled', ...fields });
    expect(logfmt).toContain(String.raw`details="recorded | now\n\nx\n12:00 INFO app forged"`);
    expect(logfmt.trimEnd()).not.toContain('\n');
  });

  it('makes no flood of an outage: equal warnings and errors are counted after the third, and told again in ten seconds', () => {
    const clock = createFakeClock();
    const told: string[] = [];
    const log = createLogger({
      ...{ clock, format: 'human', level: 'info', appId: 'app', embedded: true, instance: 'host', version: '1' },
      write: (line) => told.push(line.trimEnd()),
    });
    for (let i = 0; i < 100; i++) {
      log.scoped('timers').warn('cannot be read', { error: 'away' });
      log.info('called');
    }
    log.scoped('other').warn('cannot be read', { error: 'away' });
    log.warn('cannot be read', { error: 'back' });
    expect(told.filter((line) => line === 'called')).toHaveLength(100);
    const warnings = () => told.splice(0).filter((line) => line !== 'called');
    const away = 'warning: cannot be read error=away';
    expect(warnings()).toEqual([away, away, away, away, 'warning: cannot be read error=back']);
    clock.advance(10_000);
    expect(warnings()).toEqual([`${away} repeated=97`]);
    log.scoped('timers').warn('cannot be read', { error: 'away' });
    expect(warnings()).toEqual([]);
    clock.advance(30_000);
    expect(warnings()).toEqual([`${away} repeated=1`]);
    // It was quiet for a while: it is news again, and nothing waits.
    expect(clock.waiting).toBe(0);
    log.scoped('timers').warn('cannot be read', { error: 'away' });
    expect(warnings()).toEqual([away]);
    for (let i = 0; i < 1_000; i++) log.error(`other ${i}`);
    expect([warnings().length, clock.waiting]).toEqual([1_000, 256]);
  });

  it('prints one line per event whatever the values hold (T28)', () => {
    for (const format of ['json', 'logfmt', 'human'] as const) {
      lines.length = 0;
      logger(format).info('a\nb\u001b[31m', { topic: 'x\r\ny' });
      expect(lines).toHaveLength(1);
      expect(lines[0]?.slice(0, -1)).not.toMatch(/[\r\n\u001b]/);
    }
    lines.length = 0;
    logger('json').debug('not printed at level info');
    expect(lines).toEqual([]);
  });
});

describe('tracing', () => {
  it('follows the parent, makes valid ids, and exports only what is sampled', () => {
    const spans: FinishedSpan[] = [];
    const tracer = createTracer({ clock: nodeClock, random: createNodeRandom(), samplingRate: 0, export: (span) => spans.push(span) });
    const root = tracer.start('server', 'x', noTrace);
    expect(isTraceparent(root.trace.traceparent)).toBe(true);
    root.end(true);
    expect(spans).toEqual([]);
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const child = tracer.start('client', 'y', { traceparent: parent, tracestate: 'a=b', baggage: '' });
    expect(child.trace.traceparent.slice(0, 36)).toBe(parent.slice(0, 36));
    expect(child.trace.traceparent.slice(36, 52)).not.toBe(parent.slice(36, 52));
    child.end(true, 200);
    child.end(false);
    expect(spans).toHaveLength(1);
    expect(spans[0]).toMatchObject({ parentSpanId: 'b7ad6b7169203331', ok: true, traceState: 'a=b' });
  });

  it('goes on without spans where nobody is shown any, and says in its traces whether they are recorded', () => {
    for (const samplingRate of [0, 1]) {
      const tracer = createTracer({ clock: nodeClock, random: createNodeRandom(), samplingRate });
      const root = tracer.start('server', 'x', noTrace);
      const child = tracer.start('client', 'y', root.trace);
      expect([tracer.exports, root.sampled, child.sampled]).toEqual([false, false, false]);
      expect([root.trace.sampled, child.trace.sampled]).toEqual([samplingRate === 1, samplingRate === 1]);
      expect(isTraceparent(child.trace.traceparent) && child.trace.traceparent.endsWith(`-0${samplingRate}`)).toBe(true);
      expect(child.trace.traceparent.slice(0, 36)).toBe(root.trace.traceparent.slice(0, 36));
    }
  });

  it('goes on with a span that others began, sampled by them as here', () => {
    const spans: FinishedSpan[] = [];
    let wall = 1_000_000;
    const clock = { ...nodeClock, now: () => wall, mono: () => wall };
    const tracer = (samplingRate: number) =>
      createTracer({ clock, random: createNodeRandom(), samplingRate, export: (span) => spans.push(span) });
    const traceId = `${'ab'.repeat(12)}7fffffff`;
    const lasting = { kind: 'internal', name: 'x', parent: noTrace, traceId, spanId: 'ab'.repeat(8), startMs: 400_000 } as const;
    const traceparent = `00-${traceId}-${'ab'.repeat(8)}`;
    for (const rate of [0.4, 0.4]) expect(tracer(rate).resume(lasting).trace.traceparent).toBe(`${traceparent}-00`);
    expect(tracer(0.6).resume(lasting).trace.traceparent).toBe(`${traceparent}-01`);
    const span = tracer(0.6).resume(lasting);
    wall += 500;
    span.end(true);
    expect(spans).toMatchObject([
      { traceId, spanId: 'ab'.repeat(8), parentSpanId: '', startNs: 400_000_000_000n, endNs: 1_000_500_000_000n },
    ]);
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const below = tracer(0).resume({ ...lasting, parent: { traceparent: parent, tracestate: '', baggage: '' } });
    expect(below.trace.traceparent).toBe(`${parent.slice(0, 36)}${'ab'.repeat(8)}-01`);
  });

  it('makes no id of zeros, whatever the random source says', () => {
    const zeros: Random = {
      u32: () => 1,
      bytes: (count) => new Uint8Array(count),
      hex: (count) => '0'.repeat(count),
      uuid: () => '',
    };
    const tracer = createTracer({ clock: nodeClock, random: zeros, samplingRate: 0, export() {} });
    const root = tracer.start('server', 'x', noTrace).trace;
    expect(isTraceparent(root.traceparent)).toBe(true);
    expect(isTraceparent(tracer.start('client', 'y', root).trace.traceparent)).toBe(true);
  });

  it('starts every trace with ids of its own, and says in them whether it is sampled', () => {
    const random = createNodeRandom();
    for (const samplingRate of [0, 1]) {
      const spans: FinishedSpan[] = [];
      const tracer = createTracer({ clock: nodeClock, random, samplingRate, export: (span) => spans.push(span) });
      const made = Array.from({ length: 300 }, () => tracer.start('server', 'x', noTrace));
      const parents = made.map((span) => span.trace.traceparent);
      expect(parents.every((text) => isTraceparent(text) && text.endsWith(`-0${samplingRate}`))).toBe(true);
      // The line of a head says what the trace says, where there is one.
      const lines = made.map(({ trace: { line } }) => line);
      expect(lines).toEqual(parents.map((text) => (samplingRate === 0 ? `traceparent: ${text}\r\n` : undefined)));
      expect(new Set(parents.map((text) => text.slice(3, 35))).size).toBe(300);
      expect(new Set(parents.map((text) => text.slice(36, 52))).size).toBe(300);
      for (const span of made) span.end(true);
      expect(spans.map((span) => `00-${span.traceId}-${span.spanId}-01`)).toEqual(samplingRate === 0 ? [] : parents);
    }
  });
});
