import type { Commands, Context } from './context.ts';
import { fail } from './errors.ts';
import { runHello, SET_NAME } from './hello.ts';
import { clock } from './store.ts';
import { type Doc, doc, truthy } from './value.ts';

const VERSION = '7.0.0';

function serverStatus({ services }: Context): Doc {
  const { topology, commandCounts, store, cursors, connections } = services;
  const resident = Math.round(process.memoryUsage.rss() / 1024 / 1024);
  const { user, system } = process.cpuUsage();
  const counts = [...commandCounts].map(([name, { total, failed }]) => [
    name,
    doc({ failed: BigInt(failed), total: BigInt(total) }),
  ]);
  return doc({
    host: topology.address,
    version: VERSION,
    process: 'embedded-ledger',
    pid: BigInt(process.pid),
    uptime: process.uptime() | 0,
    localTime: clock.now(),
    connections: { current: connections.size },
    extra_info: { user_time_us: BigInt(user), system_time_us: BigInt(system) },
    mem: { bits: 64, resident },
    metrics: { commands: Object.fromEntries(counts), cursor: { open: { total: BigInt(cursors.size) } } },
    waiting: { writers: store.waiting },
    transactions: { currentOpen: BigInt(store.openTransactions.size) },
    repl: { setName: SET_NAME, isWritablePrimary: topology.primary, me: topology.address },
    storageEngine: { name: 'journal', persistent: true },
  });
}

function configureFailPoint({ services, args }: Context): Doc {
  services.failPoints.configure(args.string('configureFailPoint'), args.get('mode'), args.doc('data'));
  return doc({});
}

/** The only node steps down for a while, as a real one does in an election: drivers must find their way back. */
function stepDown({ services: { topology, store }, args }: Context): Doc {
  if (!truthy(args.get('force'))) fail(262, 'No electable secondaries caught up as of now: use {force: true}');
  topology.change(false);
  for (const transaction of store.openTransactions) store.abort(transaction);
  setTimeout(() => topology.change(true), (args.optionalNumber('replSetStepDown') ?? 60) * 1000).unref();
  return doc({});
}

const buildInfo = {
  fields: '',
  anywhere: true,
  run: () => doc({ version: VERSION, versionArray: [7, 0, 0, 0], modules: ['embedded'], bits: 64 }),
};

const hello = {
  fields: `helloOk client compression topologyVersion maxAwaitTimeMS internalClient saslSupportedMechs
    speculativeAuthenticate loadBalanced backpressure hostInfo forShell`,
  anywhere: true,
  run: runHello,
};

export const adminCommands: Commands = {
  hello,
  ismaster: hello,
  ping: { fields: '', anywhere: true, run: () => doc({}) },
  buildInfo,
  buildinfo: buildInfo,
  serverStatus: { fields: 'repl metrics opcounters mem connections locks', anywhere: true, run: serverStatus },
  configureFailPoint: { fields: 'mode data', adminOnly: true, anywhere: true, run: configureFailPoint },
  replSetStepDown: { fields: 'force secondaryCatchUpPeriodSecs', adminOnly: true, run: stepDown },
};
