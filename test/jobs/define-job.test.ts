import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createRegistry, defineJob, findJob, lanesOf } from '../../src/jobs/define-job.ts';
import { JOB_HANDLERS } from '../../src/jobs/index.ts';
import { RefusedError } from '../../src/platform/errors.ts';
import { handlerContext } from './handler-context.ts';

const double = defineJob({
  type: 'number:double',
  payload: z.strictObject({ n: z.number(), times: z.number().default(2) }),
  refuse: payload => {
    if (Object(payload).n === 13) throw new RefusedError('bad-luck', 'not that one', '/n');
  },
  run: async ({ n, times }) => n * times,
});

describe('the registry', () => {
  test('is frozen, has no prototype and finds own names only', () => {
    expect(Object.isFrozen(JOB_HANDLERS)).toBe(true);
    expect(Object.getPrototypeOf(JOB_HANDLERS)).toBeNull();
    expect(Object.keys(JOB_HANDLERS)).toEqual([
      'email:send',
      'user:notification',
      'data:export',
      'file:process',
      'cache:warm',
    ]);
    for (const name of ['constructor', '__proto__', 'toString', 'email', ''])
      expect(findJob(JOB_HANDLERS, name)).toBeNull();
    expect(findJob(JOB_HANDLERS, 'email:send')?.type).toBe('email:send');
  });

  test('refuses two definitions of a type, and names that are none', () => {
    expect(() => createRegistry([double, double])).toThrow('defined twice');
    for (const type of ['email', 'Email:send', 'a:', ':b', 'a b:c', '']) {
      expect(() => defineJob({ type, payload: z.unknown(), run: async () => 1 })).toThrow(TypeError);
    }
  });

  test('knows its lanes, each once', () => {
    const mails = defineJob({ type: 'a:b', queue: 'mails', payload: z.unknown(), run: async () => 1 });
    expect(lanesOf(createRegistry([double, mails]), ['x', 'mails'])).toEqual(['default', 'mails', 'x']);
  });
});

describe('a run checks what it gets, for a job need not have come through the API', () => {
  const ctx = handlerContext({});

  test('defaults are filled in', async () => {
    expect(await double.run({ n: 4 }, ctx)).toBe(8);
  });

  test('a payload of the wrong shape fails for good and does not show its values', async () => {
    const refused = double.run({ n: 'secret', more: 1 }, ctx);
    await expect(refused).rejects.toMatchObject({
      name: 'validation-error',
      retry: false,
      message: expect.stringContaining('/n: '),
    });
    await expect(refused).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
    await expect(double.run(undefined, ctx)).rejects.toMatchObject({ retry: false });
  });

  test('its rule comes before its shape', async () => {
    await expect(double.run({ n: 13, more: 1 }, ctx)).rejects.toMatchObject({ name: 'bad-luck', retry: false });
  });
});
