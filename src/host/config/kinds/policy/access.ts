import type { Priority } from '../../../../kernel/call.ts';
import { grpcCodeOf, httpFromGrpc } from '../../../../kernel/status.ts';
import type {
  AdmissionSettings,
  AuthoriseSettings,
  FaultSettings,
  MirrorSettings,
  SplitSettings,
  TokenSettings,
} from '../../../../mesh/policy/access-model.ts';
import {
  filledText,
  flag,
  list,
  object,
  optional,
  record,
  required,
  text,
  whole,
  withDefault,
  word,
  wrongValue,
  type Reader,
} from '../../shape.ts';
import { valueAt } from '../../yaml.ts';
import { stickyKey } from './guards.ts';
import { fraction, positiveDuration } from './values.ts';

const share = fraction(0, 1);
const percent = fraction(0, 100);

const shareDefaults = { critical: 1, default: 0.9, sheddable: 0.6 };
const admissionShape = object({
  algorithm: withDefault(word('vegas', 'gradient2'), 'vegas'),
  initial: withDefault(whole(1, 100_000), 20),
  min: withDefault(whole(1, 100_000), 10),
  max: withDefault(whole(1, 100_000), 1_000),
  queue: withDefault(whole(0, 100_000), 50),
  maxWait: withDefault(positiveDuration, 100),
  shares: withDefault(
    object({
      critical: withDefault(share, shareDefaults.critical),
      default: withDefault(share, shareDefaults.default),
      sheddable: withDefault(share, shareDefaults.sheddable),
    }),
    shareDefaults,
  ),
});

/** `admission` of a Policy. */
export const admission: Reader<AdmissionSettings> = (node, path, reading) => {
  const written = admissionShape(node, path, reading);
  if (written === undefined) return undefined;
  const { algorithm, initial, min, max, queue, maxWait, shares } = written;
  if (min > initial || initial > max) return wrongValue(reading, node.span, `${path}: min, initial and max must be in this order`);
  if (shares.sheddable > shares.default || shares.default > shares.critical)
    return wrongValue(
      reading,
      valueAt(node, 'shares')?.span ?? node.span,
      `${path}.shares must fall from critical over default to sheddable`,
    );
  return { algorithm, initial, min, max, queueMax: queue, waitMaxMs: maxWait, shares };
};

/** `priority` of a Policy. */
export const priority: Reader<Priority> = word('critical', 'default', 'sheddable');

const faultShape = object({
  delay: optional(
    object({
      percent: withDefault(percent, 100),
      fixed: optional(positiveDuration),
      min: optional(positiveDuration),
      max: optional(positiveDuration),
    }),
  ),
  abort: optional(object({ percent: withDefault(percent, 100), status: optional(whole(200, 599)), grpcStatus: optional(whole(1, 16)) })),
});

/** `fault` of a Policy. */
export const fault: Reader<FaultSettings> = (node, path, reading) => {
  const written = faultShape(node, path, reading);
  if (written === undefined) return undefined;
  const { delay, abort } = written;
  if (delay === undefined && abort === undefined) return wrongValue(reading, node.span, `${path} needs delay or abort`);
  const [minMs, maxMs] = [delay?.fixed ?? delay?.min, delay?.fixed ?? delay?.max];
  const mixed = delay?.fixed !== undefined && (delay.min !== undefined || delay.max !== undefined);
  if (delay !== undefined && (minMs === undefined || maxMs === undefined || maxMs < minMs || mixed))
    return wrongValue(
      reading,
      valueAt(node, 'delay')?.span ?? node.span,
      `${path}.delay needs either fixed, or min and max with max not less than min`,
    );
  if (abort !== undefined && (abort.status === undefined) === (abort.grpcStatus === undefined))
    return wrongValue(reading, valueAt(node, 'abort')?.span ?? node.span, `${path}.abort needs either status or grpcStatus`);
  return {
    ...(delay !== undefined && { delay: { share: delay.percent / 100, minMs: minMs as number, maxMs: maxMs as number } }),
    ...(abort !== undefined && {
      abort: {
        share: abort.percent / 100,
        status: abort.status ?? httpFromGrpc(grpcCodeOf(abort.grpcStatus ?? 2)),
        ...(abort.grpcStatus !== undefined && { grpc: abort.grpcStatus }),
      },
    }),
  };
};

/** One text, or a list of them. */
const texts: Reader<readonly string[]> = (node, path, reading) => {
  if (node.kind === 'list') return list(text)(node, path, reading);
  const one = text(node, path, reading);
  return one === undefined ? undefined : [one];
};

const url: Reader<string> = (node, path, reading) => {
  const written = text(node, path, reading);
  if (written === undefined || (/^https?:\/\//.test(written) && URL.canParse(written))) return written;
  return wrongValue(reading, node.span, `${path} must be an http or https URL`);
};

const tokenShape = object({
  issuer: required(url),
  audience: required(filledText),
  jwksUri: optional(url),
  claims: withDefault(record(texts), {}),
});

const token: Reader<TokenSettings> = (node, path, reading) => {
  const written = tokenShape(node, path, reading);
  if (written === undefined) return undefined;
  const { issuer, audience, jwksUri, claims } = written;
  return { issuer, audience, claims, ...(jwksUri !== undefined && { jwksUri }) };
};

const authoriseShape = object({ action: required(word('allow', 'deny')), token: optional(token), dryRun: withDefault(flag, false) });

/** `authorise` of a Policy. */
export const authorise: Reader<AuthoriseSettings> = (node, path, reading) => {
  const written = authoriseShape(node, path, reading);
  if (written === undefined) return undefined;
  return { action: written.action, dryRun: written.dryRun, ...(written.token !== undefined && { token: written.token }) };
};

const splitShape = object({
  targets: required(list(object({ version: optional(filledText), app: optional(filledText), weight: required(whole(0, 1_000_000)) }))),
  sticky: optional(stickyKey),
});

/** `split` of a Policy. */
export const split: Reader<SplitSettings> = (node, path, reading) => {
  const written = splitShape(node, path, reading);
  if (written === undefined) return undefined;
  const { targets, sticky } = written;
  const at = valueAt(node, 'targets')?.span ?? node.span;
  if (targets.length === 0 || targets.length > 20) return wrongValue(reading, at, `${path}.targets must hold 1 to 20 targets`);
  if (targets.every(({ weight }) => weight === 0)) return wrongValue(reading, at, `${path}.targets: the weights must not all be 0`);
  if (targets.some(({ version, app }) => (version === undefined) === (app === undefined)))
    return wrongValue(reading, at, `${path}.targets: each needs either version or app`);
  return {
    targets: targets.map(({ version, app, weight }) => ({ to: version === undefined ? { app: app as string } : { version }, weight })),
    ...(sticky !== undefined && { sticky }),
  };
};

const mirrorShape = object({
  app: required(filledText),
  percent: withDefault(percent, 100),
  maxConcurrent: withDefault(whole(1, 10_000), 100),
});

/** `mirror` of a Policy. */
export const mirror: Reader<MirrorSettings> = (node, path, reading) => {
  const written = mirrorShape(node, path, reading);
  return written && { app: written.app, share: written.percent / 100, concurrencyMax: written.maxConcurrent };
};
