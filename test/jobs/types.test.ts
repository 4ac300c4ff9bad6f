import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import {
  createRegistry,
  defineJob,
  type JobType,
  type PayloadOf,
  type ResultOf,
  type Submission,
} from '../../src/jobs/define-job.ts';
import { JOB_HANDLERS, type JobPayload, type JobSubmission } from '../../src/jobs/index.ts';

/*
 * What must not compile stands under @ts-expect-error: where it does compile, `npm run check:types` fails. What a typed
 * client would send is given to this function.
 */
const sent: JobSubmission[] = [];
function submit(job: JobSubmission): void {
  sent.push(job);
}

test('a right payload compiles, a wrong one does not', () => {
  submit({ type: 'email:send', payload: { to: ['ann@example.com'], subject: 's', body: 'b' }, priority: 7 });
  submit({ type: 'file:process', payload: { path: 'a' } });
  submit({ type: 'cache:warm', payload: { urls: ['https://example.com/'] } });
  submit({ type: 'data:export', payload: { format: 'csv', rows: [['a', 1, null], { b: true }] } });
  submit({ type: 'user:notification', payload: { userId: 'u', channel: 'inapp', title: 't', body: 'b' } });

  // @ts-expect-error subject is missing
  submit({ type: 'email:send', payload: { to: ['ann@example.com'] } });
  // @ts-expect-error a number is no address
  submit({ type: 'email:send', payload: { to: [1], subject: 's', body: 'b' } });
  // @ts-expect-error no such template
  submit({ type: 'email:send', payload: { to: 'a@example.com', subject: 's', template: 'nope' } });
  // @ts-expect-error the payload of another type
  submit({ type: 'file:process', payload: { urls: ['https://example.com/'] } });
  // @ts-expect-error no such operation
  submit({ type: 'file:process', payload: { path: 'a', operation: 'delete' } });
  // @ts-expect-error no such channel
  submit({ type: 'user:notification', payload: { userId: 'u', channel: 'sms', title: 't', body: 'b' } });
  // @ts-expect-error no such format
  submit({ type: 'data:export', payload: { rows: [], format: 'exe' } });
  // @ts-expect-error no such property
  submit({ type: 'cache:warm', payload: { urls: ['https://example.com/'], ttl: 5 } });
  // @ts-expect-error no such type
  submit({ type: 'no:such', payload: {} });
  // @ts-expect-error the API sets the status
  submit({ type: 'file:process', payload: { path: 'a' }, status: 'completed' });
  expect(sent).toHaveLength(15);
});

test('types follow from the registry: one more definition is one more member', () => {
  const registry = createRegistry([
    defineJob({
      type: 'a:one',
      payload: z.strictObject({ n: z.number().default(1) }),
      run: async ({ n }) => `${n + 1}`,
    }),
    defineJob({ type: 'a:two', payload: z.strictObject({ s: z.string() }), run: async ({ s }) => s.length }),
  ]);
  expectTypeOf<JobType<typeof registry>>().toEqualTypeOf<'a:one' | 'a:two'>();
  expectTypeOf<PayloadOf<typeof registry, 'a:one'>>().toEqualTypeOf<{ n?: number | undefined }>();
  expectTypeOf<ResultOf<typeof registry, 'a:one'>>().toEqualTypeOf<string>();
  expectTypeOf<ResultOf<typeof registry, 'a:two'>>().toEqualTypeOf<number>();
  expectTypeOf<Submission<typeof registry>['type']>().toEqualTypeOf<'a:one' | 'a:two'>();
  expectTypeOf<JobPayload<'file:process'>['operation']>().toEqualTypeOf<
    'checksum' | 'gzip' | 'thumbnail' | undefined
  >();
  expectTypeOf(JOB_HANDLERS['file:process'].type).toEqualTypeOf<'file:process'>();
  // @ts-expect-error the handler's payload is typed: s is a string
  defineJob({ type: 'a:three', payload: z.strictObject({ s: z.string() }), run: async ({ s }) => s.toFixed() });
});
