import type { Commands, Context } from './context.ts';
import { fail } from './errors.ts';
import { runHello, SET_NAME } from './hello.ts';
import { clock } from './store.ts';
import { type Doc, doc, type Plain, truthy } from './value.ts';

const VERSION = '7.0.0';

const hello = {
  fields: `helloOk client compression topologyVersion maxAwaitTimeMS internalClient saslSupportedMechs
    speculativeAuthenticate loadBalanced backpressure hostInfo forShell`,
  run: runHello,
};

function serverStatus({ services }: Context): Doc {
  const { topology, metrics, store, cursors } = services;
  const resident = Math.round(process.memoryUsage.rss() / 1024 / 1024);
  const { user, system } = process.cpuUsage();
  return doc({
    host: topology.address,
    version: VERSION,
    process: 'embedded-ledger',
    pid: BigInt(process.pid),
    uptime: process.uptime() | 0,
    localTime: clock.now(),
    connections: { current: services.connectionCount(), available: 10_000 },
    opcounters: metrics.opcounters,
    extra_info: { user_time_us: BigInt(user), system_time_us: BigInt(system) },
    mem: { bits: 64, resident, virtual: resident, supported: true },
    metrics: { commands: metrics.commands, cursor: { open: { total: BigInt(cursors.size) } } },
    waiting: { writers: store.waiting },
    transactions: { currentOpen: BigInt(store.openTransactions.size) },
    repl: { setName: SET_NAME, isWritablePrimary: topology.primary, me: topology.address },
    storageEngine: { name: 'journal', persistent: true },
  });
}

/** What clients and test runners ask for. */
const PARAMETERS: Record<string, Plain> = {
  featureCompatibilityVersion: { version: '7.0' },
  authenticationMechanisms: '',
  enableTestCommands: true,
  requireApiVersion: false,
  ttlMonitorEnabled: true,
  ttlMonitorSleepSecs: 1,
  transactionLifetimeLimitSeconds: 60,
};

function getParameter({ args }: Context): Doc {
  if (args.get('getParameter') === '*') return doc(PARAMETERS);
  const found = args.body.fields.filter(({ name }) => Object.hasOwn(PARAMETERS, name));
  if (found.length === 0) return fail(72, 'no option found to get');
  return doc(Object.fromEntries(found.map(({ name }) => [name, PARAMETERS[name]])));
}

function configureFailPoint({ services, args }: Context): Doc {
  services.failPoints.configure(args.string('configureFailPoint'), args.get('mode'), args.doc('data'));
  return doc({});
}

/** The only node steps down for a while, as a real one does in an election: drivers must find their way back. */
function stepDown({ services, args }: Context): Doc {
  if (!services.topology.primary) return fail(10107, "not primary so can't step down");
  if (!truthy(args.get('force'))) return fail(262, 'No electable secondaries caught up as of now: use {force: true}');
  services.stepDown(args.optionalNumber('replSetStepDown') ?? 60);
  return doc({});
}

function freeze({ services, args }: Context): Doc {
  if (args.optionalNumber('replSetFreeze') === 0 && !services.topology.primary) services.stepUp();
  return doc({ info: 'unfreezing' });
}

const buildInfo = {
  fields: '',
  run: () =>
    doc({
      version: VERSION,
      versionArray: [7, 0, 0, 0],
      gitVersion: 'embedded',
      modules: ['embedded'],
      bits: 64,
      debug: false,
      maxBsonObjectSize: 16 * 1024 * 1024,
      storageEngines: ['journal'],
    }),
};

export const adminCommands: Commands = {
  hello,
  isMaster: hello,
  ismaster: hello,
  ping: { fields: '', run: () => doc({}) },
  buildInfo,
  buildinfo: buildInfo,
  serverStatus: { fields: 'repl metrics opcounters mem connections locks', run: serverStatus },
  connectionStatus: {
    fields: 'showPrivileges',
    run: () => doc({ authInfo: { authenticatedUsers: [], authenticatedUserRoles: [] } }),
  },
  getParameter: {
    fields: `${Object.keys(PARAMETERS).join(' ')} allParameters showDetails`,
    adminOnly: true,
    run: getParameter,
  },
  configureFailPoint: { fields: 'mode data', adminOnly: true, run: configureFailPoint },
  replSetStepDown: { fields: 'force secondaryCatchUpPeriodSecs', adminOnly: true, run: stepDown },
  replSetFreeze: { fields: '', adminOnly: true, run: freeze },
};
