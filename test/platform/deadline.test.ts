import { describe, expect, it } from 'vitest';
import { withDeadline } from '../../src/platform/deadline.ts';
import { StorageUnavailableError } from '../../src/platform/errors.ts';
import { promised } from '../helpers/promised.ts';

describe('withDeadline', () => {
  it('passes a result and an error on', async () => {
    expect(await withDeadline(Promise.resolve(7), 1_000, 'a read')).toBe(7);
    const broken = new Error('broken');
    await expect(withDeadline(Promise.reject(broken), 1_000, 'a read')).rejects.toBe(broken);
  });

  it('gives up in time and says on what', async () => {
    const start = performance.now();
    const late = withDeadline(new Promise(() => undefined), 60, 'the start gate');
    await expect(late).rejects.toThrow('MongoDB did not answer: the start gate took longer than 60 ms');
    await expect(late).rejects.toBeInstanceOf(StorageUnavailableError);
    expect(performance.now() - start).toBeLessThan(promised(1_000));
  });

  it('swallows an error that comes after the deadline', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note);
    try {
      const { promise, reject } = withResolvers();
      await expect(withDeadline(promise, 5, 'a write')).rejects.toThrow('longer than 5 ms');
      reject(new Error('much too late'));
      // Node reports unhandled rejections after the microtasks of a turn; two turns are past it.
      for (let turn = 0; turn < 2; turn += 1) await new Promise(resolve => setImmediate(resolve));
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });

  it('leaves no timer behind that would keep the process alive', async () => {
    const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length;
    const before = timers();
    await withDeadline(Promise.resolve(), 60_000, 'a read');
    expect(timers()).toBe(before);
  });
});

function withResolvers(): { promise: Promise<never>; reject: (error: Error) => void } {
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<never>((_, no) => {
    reject = no;
  });
  return { promise, reject };
}
