import { monotonicMs, pause } from '../monotonic.ts';
import type { OperationRecord } from '../oracle/evidence.ts';
import type { Random } from '../random.ts';
import type { Fault, FaultScene } from './faults.ts';

type Kind = OperationRecord['kind'];

const REQUEST_MS = 10_000;
/** Jobs posted last, of which many wait or run. */
const RECENT = 200;
/** Jobs that were cancelled last, for retries. */
const CANCELLED_KEPT = 50;

/**
 * API clients that cancel, retry and delete jobs at random, each one request at a time, about every `everyMs`, as long as
 * jobs are posted. Everything that they asked and were answered is on record.
 */
export function operateOnJobs({ clients, everyMs }: { clients: number; everyMs: number }): Fault {
  return async (scene, signal) => {
    const cancelled: string[] = [];
    const operators = Array.from({ length: clients }, (_, index) =>
      operate({ scene, cancelled, random: scene.random.fork(), client: index, everyMs }, signal),
    );
    await Promise.all(operators);
  };
}

interface Operator {
  scene: FaultScene;
  /** Shared by all. */
  cancelled: string[];
  random: Random;
  client: number;
  everyMs: number;
}

async function operate({ scene, cancelled, random, client, everyMs }: Operator, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !scene.load.isOver) {
    await pause(everyMs * 2 * random.next(), signal);
    const wish = choose(scene, cancelled, random);
    if (!wish || signal.aborted) continue;
    const { status } = await ask(scene, client, wish.kind, wish.jobId);
    if (wish.kind !== 'cancel' || status === null || status >= 300) continue;
    cancelled.push(wish.jobId);
    if (cancelled.length > CANCELLED_KEPT) cancelled.shift();
  }
}

/** Half cancels, a third retries (most of them of what was cancelled), the rest deletes; null when there is no job yet. */
function choose(
  { load }: FaultScene,
  cancelled: readonly string[],
  random: Random,
): { kind: Kind; jobId: string } | null {
  const recent = load.posts.slice(-RECENT).flatMap(post => post.id ?? []);
  if (recent.length === 0) return null;
  const kind = random.pick<Kind>(['cancel', 'cancel', 'cancel', 'retry', 'retry', 'delete']);
  const isOfCancelled = cancelled.length > 0 && random.chance({ cancel: 0.1, retry: 0.9, delete: 0.4 }[kind]);
  return { kind, jobId: random.pick(isOfCancelled ? cancelled : recent) };
}

/** Asks once; the record is kept. */
export async function ask(scene: FaultScene, client: number, kind: Kind, jobId: string): Promise<OperationRecord> {
  const urls = scene.world.fleet.apiUrls;
  const at = monotonicMs();
  const answer = await send(`${urls[client % urls.length] ?? ''}/v1/jobs/${jobId}`, kind);
  const record = { kind, jobId, at, ms: monotonicMs() - at, ...answer };
  scene.operations.push(record);
  return record;
}

async function send(url: string, kind: Kind): Promise<Pick<OperationRecord, 'status' | 'detail'>> {
  try {
    const response = await fetch(kind === 'delete' ? url : `${url}/${kind}`, {
      method: kind === 'delete' ? 'DELETE' : 'POST',
      signal: AbortSignal.timeout(REQUEST_MS),
    });
    const text = await response.text();
    return response.status < 300
      ? { status: response.status }
      : { status: response.status, detail: text.slice(0, 300) };
  } catch (error) {
    return { status: null, detail: error instanceof Error ? error.message : 'no answer' };
  }
}
