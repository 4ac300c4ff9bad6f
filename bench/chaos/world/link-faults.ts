import type { TcpProxy } from '../../../test/helpers/tcp-proxy.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import { type Fault, inRounds, type Rhythm } from './faults.ts';

const SERVERS = ['mongo', 'redis'] as const;

/** What a link may do to everybody: lose its connections, let no new ones through, or no byte. */
const BREAKS = {
  cut: async (proxy: TcpProxy) => proxy.cut(),
  refuse: (proxy: TcpProxy) => proxy.refuse(),
  blackhole: async (proxy: TcpProxy) => proxy.blackhole(),
};

/** The links of all processes to MongoDB and to Redis, in turn, break for `forMs` (a cut: once). */
export function breakLinks(options: Rhythm & { how: keyof typeof BREAKS; forMs: number }): Fault {
  const { how, forMs } = options;
  return inRounds(options, async ({ world, log }, signal, number) => {
    const of = SERVERS[number % SERVERS.length]!;
    const proxy = world.servers.proxies![of];
    const at = monotonicMs();
    await BREAKS[how](proxy);
    await pause(forMs, signal);
    await proxy.heal();
    log.push({ kind: 'outage', of, how, at, until: monotonicMs(), outlastsLease: false });
    return true;
  });
}

/** One worker alone does not reach MongoDB for `forMs`, and does not learn that: no byte passes on its own way to it. */
export function cutOff(options: Rhythm & { worker: string; forMs: number; outlastsLease: boolean }): Fault {
  const { worker, forMs, outlastsLease } = options;
  return inRounds(options, async ({ world, log }, signal) => {
    const proxy = world.servers.proxies!.aside;
    const at = monotonicMs();
    proxy.blackhole();
    await pause(forMs, signal);
    await proxy.heal();
    log.push({ kind: 'outage', of: 'mongo', how: 'cut off', worker, at, until: monotonicMs(), outlastsLease });
    return true;
  });
}

/** Steps of a job's path, by transitions that their writes carry in the history entry. */
const STEPS = { claim: ['T1'], gate: ['T3'], finish: ['T5', 'T6', 'T7'] } as const;
const NOT_MET_MS = 5_000;

/** MongoDB carries out the next claim, gate or finish, in turn, and its reply is lost with the connection. */
export function loseReplies(rhythm: Rhythm): Fault {
  const steps = Object.keys(STEPS) as (keyof typeof STEPS)[];
  return inRounds(rhythm, async ({ world, log }, signal, number) => {
    const step = steps[number % steps.length]!;
    const { mongo } = world.servers.proxies!;
    const [at, before] = [monotonicMs(), mongo.dropped];
    mongo.dropReplies(({ request }) => mongo.dropped === before && isWriteOf(request, STEPS[step]));
    while (mongo.dropped === before && monotonicMs() - at < NOT_MET_MS && !signal.aborted) await pause(20, signal);
    mongo.dropReplies(0);
    const hits = mongo.dropped - before;
    const until = monotonicMs();
    log.push({ kind: 'outage', of: 'mongo', how: `lost reply: ${step}`, at, until, outlastsLease: false, hits });
    return true;
  });
}

/** Whether a request to MongoDB writes one of these transitions: they stand in it as `via: "T3"` in BSON. */
export function isWriteOf(request: Buffer, transitions: readonly string[]): boolean {
  return transitions.some(via => request.includes(`\x02via\0${String.fromCharCode(via.length + 1)}\0\0\0${via}\0`));
}
