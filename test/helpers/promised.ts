/**
 * TEST_FULL=1, alone on a quiet machine: full sizes, and the times that are promised. Without it the suite takes smaller sizes
 * and knows neither what else this machine does nor how slow its disk is.
 */
export const FULL = process.env.TEST_FULL === '1';

/** A promised time as a limit: itself with TEST_FULL=1, else ten times as long, which something that hangs still misses. */
export const promised = (ms: number): number => (FULL ? ms : 10 * ms);
