import { fail } from '../documents/errors.ts';
import { type Doc, doc, truthy } from '../documents/value.ts';
import type { Commands, Context } from './context.ts';
import { runHello } from './hello.ts';

const VERSION = '7.0.0';

function serverStatus({ services: { topology, commandCounts, store, connections } }: Context): Doc {
  const { user, system } = process.cpuUsage();
  const commands = Array.from(commandCounts, ([name, { total, failed }]) => [
    name,
    doc({ failed: BigInt(failed), total: BigInt(total) }),
  ]);
  return doc({
    host: topology.address,
    version: VERSION,
    process: 'embedded-ledger',
    localTime: new Date(),
    connections: { current: connections.size },
    extra_info: { user_time_us: BigInt(user), system_time_us: BigInt(system) },
    mem: { resident: Math.round(process.memoryUsage.rss() / 1024 / 1024) },
    metrics: { commands: Object.fromEntries(commands) },
    waiting: { writers: store.waiting },
  });
}

function configureFailPoint({ services, args }: Context): Doc {
  const { failPoints } = services;
  return doc({ count: failPoints.configure(args.string('configureFailPoint'), args.get('mode'), args.doc('data')) });
}

/** The only node steps down for a while, as a real one does in an election: drivers must find their way back. */
function stepDown({ services: { topology, store }, args }: Context): Doc {
  if (!truthy(args.get('force'))) fail(262, 'No electable secondaries caught up as of now: use {force: true}');
  topology.change(false);
  for (const transaction of store.openTransactions) store.abort(transaction);
  setTimeout(() => topology.change(true), (args.optionalNumber('replSetStepDown') ?? 60) * 1000).unref();
  return doc({});
}

const anywhere = (run: Commands[string]['run'], fields = '') => ({ run, fields, anywhere: true });
const buildInfo = anywhere(() =>
  doc({ version: VERSION, versionArray: [7, 0, 0, 0], modules: ['embedded'], bits: 64 }),
);
const hello = anywhere(
  runHello,
  `helloOk client compression topologyVersion maxAwaitTimeMS internalClient saslSupportedMechs speculativeAuthenticate
    loadBalanced backpressure hostInfo`,
);

export const adminCommands: Commands = {
  hello,
  ismaster: hello,
  ping: anywhere(() => doc({})),
  buildInfo,
  buildinfo: buildInfo,
  serverStatus: anywhere(serverStatus),
  configureFailPoint: { ...anywhere(configureFailPoint, 'mode data'), adminOnly: true },
  replSetStepDown: { fields: 'force secondaryCatchUpPeriodSecs', adminOnly: true, run: stepDown },
};
