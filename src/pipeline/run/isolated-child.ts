import { findJob, type JobRegistry } from '../../jobs/define-job.ts';
import type { JobServices } from '../../jobs/job-context.ts';
import { RunAborted } from './abort-reason.ts';
import { callHandler, type HandlerAnswer } from './execute.ts';
import { createHandlerContext, type NoteSink } from './handler-context.ts';
import { decodeJob, type FromChild, type IsolatedJob, type ToChild } from './isolated-protocol.ts';

/**
 * The other side of `runIsolated`: takes one job from the parent, runs it, answers, and resolves when the channel closes.
 * A parent that dies closes it too, so no child outlives its worker.
 */
export async function runIsolatedChild(options: { registry: JobRegistry; services: JobServices }): Promise<void> {
  const aborter = new AbortController();
  const send = (message: FromChild): void => {
    process.send?.(message, undefined, undefined, () => undefined);
  };
  const notes: NoteSink = {
    progress: value => send({ kind: 'progress', json: JSON.stringify(value) }),
    log: message => send({ kind: 'log', message }),
  };
  const run = async (job: IsolatedJob): Promise<void> => {
    const definition = findJob(options.registry, job.type);
    if (!definition) {
      send({ kind: 'threw', error: { name: 'unknown-type', message: `no handler for ${job.type}`, retryable: true } });
      return;
    }
    const ctx = createHandlerContext({ job, ...job, signal: aborter.signal, services: options.services, notes });
    send(toMessage(await callHandler(definition, job.payload, ctx)));
  };
  const closed = new Promise<void>(resolve => process.once('disconnect', resolve));
  process.on('message', (message: ToChild) => {
    if (message.kind === 'abort') aborter.abort(new RunAborted(message.reason));
    else void run(decodeJob(message.bson));
  });
  send({ kind: 'ready' });
  await closed;
}

function toMessage(answer: HandlerAnswer): FromChild {
  if (answer.kind === 'returned') {
    return { kind: 'returned', json: answer.value === undefined ? null : JSON.stringify(answer.value) };
  }
  if (answer.kind === 'crashed')
    return { kind: 'threw', error: { name: 'crash', message: answer.detail, retryable: true } };
  return answer;
}
