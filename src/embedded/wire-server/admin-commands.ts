import { cpus, hostname, totalmem } from 'node:os';
import { words } from './arguments.ts';
import type { CommandSpec, Commands, Context } from './context.ts';
import { fail } from './errors.ts';
import { runHello, SET_NAME } from './hello.ts';
import { clock } from './store.ts';
import { type Doc, doc, truthy } from './value.ts';

const VERSION = '7.0.0';

const hello: CommandSpec = {
  fields: words(`helloOk client compression topologyVersion maxAwaitTimeMS internalClient saslSupportedMechs
    speculativeAuthenticate loadBalanced backpressure hostInfo forShell`),
  run: runHello,
};

function buildInfo(): Doc {
  return doc({
    version: VERSION,
    versionArray: [7, 0, 0, 0],
    gitVersion: 'embedded',
    modules: ['embedded'],
    bits: 64,
    debug: false,
    maxBsonObjectSize: 16 * 1024 * 1024,
    storageEngines: ['journal'],
  });
}

function serverStatus({ services }: Context): Doc {
  const memory = process.memoryUsage();
  const mb = (bytes: number) => Math.round(bytes / 1024 / 1024);
  const { user, system } = process.cpuUsage();
  return doc({
    host: services.topology.address,
    version: VERSION,
    process: 'embedded-ledger',
    pid: BigInt(process.pid),
    uptime: process.uptime() | 0,
    uptimeMillis: BigInt(Math.round(process.uptime() * 1000)),
    localTime: clock.now(),
    connections: { current: services.connectionCount(), available: 10_000 },
    opcounters: services.metrics.opcounters,
    extra_info: { user_time_us: BigInt(user), system_time_us: BigInt(system) },
    mem: { bits: 64, resident: mb(memory.rss), virtual: mb(memory.rss), supported: true },
    metrics: { commands: services.metrics.commands, cursor: { open: { total: BigInt(services.cursors.size) } } },
    waiting: { writers: services.store.waiting },
    transactions: { currentOpen: BigInt(services.store.openTransactions.size) },
    repl: { setName: SET_NAME, isWritablePrimary: services.topology.primary, me: services.topology.address },
    storageEngine: { name: 'journal', persistent: true },
  });
}

const PARAMETERS: Record<string, string | number | boolean | Doc> = {
  featureCompatibilityVersion: doc({ version: '7.0' }),
  authenticationMechanisms: '',
  enableTestCommands: true,
  requireApiVersion: false,
  ttlMonitorEnabled: true,
  ttlMonitorSleepSecs: 1,
  transactionLifetimeLimitSeconds: 60,
  internalQueryMaxBlockingSortMemoryUsageBytes: 104857600,
  disableSplitHorizonIPCheck: false,
  acceptApiVersion2: false,
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
  const seconds = args.optionalNumber('replSetStepDown') ?? 60;
  if (!services.topology.primary) return fail(10107, "not primary so can't step down");
  if (!truthy(args.get('force')))
    return fail(
      262,
      'No electable secondaries caught up as of now. Please use the replSetStepDown command with the argument {force: true} to force node to step down.',
    );
  services.stepDown(seconds);
  return doc({});
}

function freeze({ services, args }: Context): Doc {
  if (args.optionalNumber('replSetFreeze') === 0 && !services.topology.primary) services.stepUp();
  return doc({ info: 'unfreezing' });
}

function replSetStatus({ services }: Context): Doc {
  const { topology, store } = services;
  const member = {
    _id: 0,
    name: topology.address,
    health: 1,
    state: topology.primary ? 1 : 2,
    stateStr: topology.primary ? 'PRIMARY' : 'SECONDARY',
    self: true,
    optime: { ts: store.clusterTime, t: 1n },
  };
  return doc({ set: SET_NAME, date: clock.now(), myState: member.state, members: [member] });
}

function replSetConfig({ services }: Context): Doc {
  return doc({
    config: {
      _id: SET_NAME,
      version: 1,
      term: 1n,
      members: [{ _id: 0, host: services.topology.address, priority: 1, votes: 1 }],
    },
  });
}

const always = (reply: () => Doc, ...fields: string[]): CommandSpec => ({ fields, run: reply });

export const adminCommands: Commands = {
  hello,
  isMaster: hello,
  ismaster: hello,
  ping: always(() => doc({})),
  buildInfo: always(buildInfo),
  buildinfo: always(buildInfo),
  serverStatus: {
    fields: words(`repl metrics opcounters mem connections tcmalloc recordStats wiredTiger locks`),
    run: serverStatus,
  },
  hostInfo: always(() =>
    doc({
      system: {
        currentTime: clock.now(),
        hostname: hostname(),
        cpuAddrSize: 64,
        memSizeMB: Math.round(totalmem() / 1024 / 1024),
        numCores: cpus().length,
      },
      os: { type: process.platform },
    }),
  ),
  connectionStatus: always(
    () => doc({ authInfo: { authenticatedUsers: [], authenticatedUserRoles: [] } }),
    'showPrivileges',
  ),
  whatsmyuri: {
    fields: [],
    run: ({ connection }) => doc({ you: `${connection.socket.remoteAddress}:${connection.socket.remotePort}` }),
  },
  getParameter: {
    fields: [...Object.keys(PARAMETERS), 'allParameters', 'showDetails'],
    adminOnly: true,
    run: getParameter,
  },
  setParameter: {
    fields: Object.keys(PARAMETERS),
    adminOnly: true,
    run: () => fail(72, 'parameters of this server cannot be changed'),
  },
  getCmdLineOpts: always(() =>
    doc({ argv: ['embedded-ledger'], parsed: doc({ replication: doc({ replSet: SET_NAME }) }) }),
  ),
  getLog: always(() => doc({ totalLinesWritten: 0, log: [] })),
  configureFailPoint: { fields: ['mode', 'data'], adminOnly: true, run: configureFailPoint },
  replSetStepDown: { fields: ['force', 'secondaryCatchUpPeriodSecs'], adminOnly: true, run: stepDown },
  replSetFreeze: { fields: [], adminOnly: true, run: freeze },
  replSetGetStatus: { fields: ['initialSync'], adminOnly: true, run: replSetStatus },
  replSetGetConfig: { fields: ['commitmentStatus'], adminOnly: true, run: replSetConfig },
};
