import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createRegistry, defineJob } from '../../../src/jobs/define-job.ts';
import type { StoreContext } from '../../../src/pipeline/store/store-context.ts';
import { Submitter } from '../../../src/pipeline/submit/submitter.ts';
import { useStore } from '../../helpers/store.ts';
import { withRaces } from './with-races.ts';

const registry = createRegistry([
  defineJob({ type: 'mail:send', payload: z.strictObject({ to: z.string() }), run: async () => 'sent' }),
  defineJob({ type: 'file:zip', queue: 'files', payload: z.strictObject({ path: z.string() }), run: async () => 1 }),
]);

let context: StoreContext;
let woken: [lane: string, count: number][];
let submitter: Submitter<typeof registry>;

beforeAll(async () => {
  ({ context } = await useStore());
});

beforeEach(() => {
  woken = [];
  submitter = new Submitter({
    context,
    registry,
    lanes: ['default', 'files'],
    defaults: { maxRetries: 3, retry: { strategy: 'fixed', delayMs: 10 }, timeoutMs: 100 },
    wake: (lane, count) => woken.push([lane, count]),
  });
});

describe('Submitter', () => {
  it('takes typed jobs in the same process; a wrong one does not compile', async () => {
    const result = await submitter.submit('t', { type: 'mail:send', payload: { to: 'a@example.com' }, priority: 7 });
    expect(result).toMatchObject({ status: 'accepted', job: { tenant: 't', priority: 7, status: 'pending' } });
    // @ts-expect-error `to` is a string
    const wrong = await submitter.submit('t', { type: 'mail:send', payload: { to: 1 } });
    expect(wrong).toMatchObject({ status: 'invalid', errors: [{ pointer: '/payload/to' }] });
    // @ts-expect-error the payload belongs to another type
    expect((await submitter.submit('t', { type: 'file:zip', payload: { to: 'x' } })).status).toBe('invalid');
    // @ts-expect-error there is no such type
    expect((await submitter.submit('t', { type: 'no:such', payload: {} })).status).toBe('refused');
  });

  it('answers repeats and misuse of a key as values', async () => {
    const job = { type: 'mail:send', payload: { to: 'b@example.com' } } as const;
    const first = await submitter.submit('t', job, 'key-1');
    const again = await submitter.submit('t', job, 'key-1');
    expect([first.status, again.status]).toEqual(['accepted', 'replayed']);
    expect('job' in again && 'job' in first && again.job._id.equals(first.job._id)).toBe(true);
    expect((await submitter.submit('t', { ...job, priority: 1 }, 'key-1')).status).toBe('conflict');
    expect((await submitter.submit('other', { ...job, priority: 1 }, 'key-1')).status).toBe('accepted');
  });

  it('wakes each lane once, for what is new in it', async () => {
    const mail = { type: 'mail:send', payload: { to: 'c@example.com' } } as const;
    const zip = { type: 'file:zip', payload: { path: 'x' } } as const;
    await submitter.submitMany('t', [mail, { ...mail, idempotencyKey: 'key-2' }, zip, { ...mail, queue: 'files' }]);
    expect(woken).toEqual([
      ['default', 2],
      ['files', 2],
    ]);
    woken = [];
    await submitter.submitMany('t', [{ ...mail, idempotencyKey: 'key-2' }, zip]);
    expect(woken).toEqual([['files', 1]]);
    woken = [];
    await submitter.submit('t', mail, 'key-2');
    await submitter.submitBody('t', { type: 'mail:send', payload: 1 });
    expect(woken).toEqual([]);
  });

  it('gives the same fingerprint to a job sent alone and among others', async () => {
    const zip = { type: 'file:zip', payload: { path: 'y' } } as const;
    const alone = await submitter.submit('t', zip, 'key-3');
    const many = await submitter.submitMany('t', [{ ...zip, idempotencyKey: 'key-3' }]);
    expect(many).toMatchObject({ status: 'accepted', entries: [{ replayed: true }] });
    expect(alone.status).toBe('accepted');
  });

  it('inserts again when the job of a key vanishes between the two commands', async () => {
    const job = { type: 'mail:send', payload: { to: 'd@example.com' } } as const;
    await submitter.submit('t', job, 'key-4');
    const racing = new Submitter({
      ...optionsOf(
        withRaces(context, attempt => (attempt === 1 ? context.jobs.deleteOne({ 'idempotency.key': 'key-4' }) : null)),
      ),
    });
    expect((await racing.submit('t', job, 'key-4')).status).toBe('accepted');
    expect(await context.jobs.countDocuments({ 'idempotency.key': 'key-4' })).toBe(1);
  });
});

function optionsOf(other: StoreContext): ConstructorParameters<typeof Submitter<typeof registry>>[0] {
  return {
    context: other,
    registry,
    lanes: ['default', 'files'],
    defaults: { maxRetries: 3, retry: { strategy: 'fixed', delayMs: 10 }, timeoutMs: 100 },
    wake: () => undefined,
  };
}
