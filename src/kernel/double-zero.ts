/**
 * Zero for a field that will hold fractions or large counts.
 *
 * V8 keeps 0 as a small integer. The first fraction, or a count above 2^31, gives the object another shape, and the shape that it had is deprecated. A place that
 * stores such an object in a field and is not run again still expects the old shape: whatever the optimising compiler makes of it is thrown away as stale, and it is made again
 * a few milliseconds later, for ever (Node 20; `--trace-opt` prints "Maps became deprecated during optimization"). -0 is a floating-point number from the beginning, adds
 * like 0 and prints as `0`.
 */
export const doubleZero = -0;
