import { duration, wrongValue, type Reader } from '../../shape.ts';

/** A number within limits, fractions included. */
export function fraction(min: number, max: number): Reader<number> {
  return (node, path, reading) => {
    const value = node.kind === 'scalar' && /^[+-]?(\d+\.?\d*|\.\d+)$/.test(node.text) ? Number(node.text) : Number.NaN;
    return value >= min && value <= max ? value : wrongValue(reading, node.span, `${path} must be a number from ${min} to ${max}`);
  };
}

/** A duration above zero, in milliseconds. */
export const positiveDuration: Reader<number> = (node, path, reading) => {
  const value = duration(node, path, reading);
  return value === undefined || value > 0 ? value : wrongValue(reading, node.span, `${path} must be longer than 0s`);
};
