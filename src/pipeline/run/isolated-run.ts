import { type ChildProcess, fork } from 'node:child_process';
import { childEnvironment } from '../../config/child-environment.ts';
import { messageOf } from '../../platform/errors.ts';
import { RunAborted } from './abort-reason.ts';
import type { HandlerAnswer } from './execute.ts';
import type { NoteSink } from './handler-context.ts';
import { encodeJob, type FromChild, type IsolatedJob, type ToChild } from './isolated-protocol.ts';
import type { Slots } from './slots.ts';

/** A handler at work in a child process of its own. */
export interface IsolatedHandler {
  answer: Promise<HandlerAnswer>;
  /** Resolves when the child has the job. */
  begun: Promise<void>;
  kill(): void;
}

interface IsolatedOptions {
  job: IsolatedJob;
  signal: AbortSignal;
  notes: NoteSink;
  heapMb: number;
}

/** A child that is not ready by then counts as crashed. Long: it waits for MongoDB, and on a busy machine for a processor. */
const START_LIMIT_MS = 300_000;

/**
 * Runs one job in a fork of this very entry. Its end condemns no neighbour; when it dies without an answer, the answer is
 * `crashed`. It ends when this process's channel to it closes.
 *
 * `starts` limits how many children start at once: after a crash all of a worker's runs may come to isolation together, and
 * a machine that starts twenty processes for them does nothing else.
 */
export function runIsolated(options: IsolatedOptions & { starts: Slots }): IsolatedHandler {
  const { starts, signal } = options;
  let child: IsolatedHandler | null = null;
  let begin!: () => void;
  const begun = new Promise<void>(resolve => {
    begin = resolve;
  });
  const run = async (): Promise<HandlerAnswer> => {
    const turn = starts.acquire();
    const isMyTurn = await Promise.race([turn.then(() => true), aborted(signal).then(() => false)]);
    if (!isMyTurn) {
      void turn.then(() => starts.release());
      return ABORTED_BEFORE_START;
    }
    try {
      child = forkChild(options);
      await Promise.race([child.begun, child.answer]);
    } finally {
      starts.release();
    }
    begin();
    return child.answer;
  };
  return { answer: run(), begun, kill: () => child?.kill() };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

const ABORTED_BEFORE_START: HandlerAnswer = {
  kind: 'threw',
  error: { name: 'RunAborted', message: 'aborted before its child was started', retryable: true },
};

/** The same file, arguments and Node options, a bounded heap. */
function forkChild({ job, signal, notes, heapMb }: IsolatedOptions): IsolatedHandler {
  let child: ChildProcess;
  try {
    child = fork(process.argv[1]!, process.argv.slice(2), {
      execArgv: [...process.execArgv.filter(flag => !/inspect/.test(flag)), `--max-old-space-size=${heapMb}`],
      env: childEnvironment(),
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  } catch (error) {
    const answer: Promise<HandlerAnswer> = Promise.resolve({ kind: 'crashed', detail: messageOf(error) });
    return { answer, begun: Promise.resolve(), kill: () => undefined };
  }
  const send = (message: ToChild): void => {
    if (child.connected) child.send(message, () => undefined);
  };
  const onAbort = (): void => {
    if (signal.reason instanceof RunAborted) send({ kind: 'abort', reason: signal.reason.reason });
  };
  signal.addEventListener('abort', onAbort, { once: true });
  const kill = (): void => void child.kill('SIGKILL');
  const startLimit = setTimeout(kill, START_LIMIT_MS);
  let begin!: () => void;
  const begun = new Promise<void>(resolve => {
    begin = resolve;
  });
  const answer = new Promise<HandlerAnswer>(resolve => {
    child.on('message', (message: FromChild) => {
      if (message.kind === 'ready') {
        clearTimeout(startLimit);
        begin();
        send({ kind: 'job', bson: encodeJob(job) });
      } else if (message.kind === 'progress') notes.progress(JSON.parse(message.json));
      else if (message.kind === 'log') notes.log(message.message);
      else resolve(toAnswer(message));
    });
    child.on('error', error => resolve({ kind: 'crashed', detail: messageOf(error) }));
    child.on('exit', (code, killedBy) => {
      signal.removeEventListener('abort', onAbort);
      resolve({ kind: 'crashed', detail: killedBy ? `signal ${killedBy}` : `exit code ${code}` });
    });
  });
  void answer.then(() => {
    clearTimeout(startLimit);
    // The child ends by itself once its channel is closed.
    if (child.connected) child.disconnect();
  });
  return { answer, begun, kill };
}

function toAnswer(message: Extract<FromChild, { kind: 'returned' | 'not-storable' | 'threw' }>): HandlerAnswer {
  if (message.kind !== 'returned') return message;
  return { kind: 'returned', value: message.json === null ? undefined : JSON.parse(message.json) };
}
