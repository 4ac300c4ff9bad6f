import { Binary, Timestamp } from 'bson';
import { adminCommands } from './admin-commands.ts';
import { catalogCommands } from './catalog-commands.ts';
import { checkDeep, toBytes } from './codec.ts';
import type { Connection } from './connection.ts';
import { Arguments, type Commands, type Context, words } from './context.ts';
import { CloseConnection, CommandError, codeName, fail, STATE_CHANGE_CODES } from './errors.ts';
import type { Failure } from './fail-points.ts';
import { isHello } from './hello.ts';
import { indexCommands } from './index-commands.ts';
import { addLabels } from './labels.ts';
import { readCommands } from './read-commands.ts';
import type { Services } from './server.ts';
import { endBroken, openSession, sessionCommands } from './session-commands.ts';
import { asText, Doc, doc } from './value.ts';
import { writeCommands } from './write-commands.ts';
import { awaitConcern, checkConcerns } from './write-concern.ts';

/** Every command this server knows. What is not here is answered with error 59. */
const commands: Commands = {
  ...adminCommands,
  ...sessionCommands,
  ...readCommands,
  ...writeCommands,
  ...catalogCommands,
  ...indexCommands,
};

/** Fields that any command may carry. */
const GENERIC = words(`$db $readPreference $clusterTime $audit $client $configServerState lsid txnNumber autocommit
  startTransaction readConcern writeConcern maxTimeMS comment apiVersion apiStrict apiDeprecationErrors help
  maxTimeMSOpOnly mayBypassWriteBlocking`);

const allowed = new Map(
  Object.entries(commands).map(([name, { fields }]) => [name, new Set([name, ...words(fields), ...GENERIC])]),
);

const WITHOUT_PRIMARY = new Set(
  words(`hello isMaster ismaster ping buildInfo replSetFreeze configureFailPoint endSessions serverStatus
  killCursors replSetStepDown`),
);

/** Runs one command and makes its reply; undefined = a fail point wants the connection closed. */
export async function dispatch(services: Services, connection: Connection, body: Doc): Promise<Doc | undefined> {
  const name = body.first?.name ?? '';
  const args = new Arguments(body, name);
  const db = asText(body.get('$db'));
  const deadline = Number.POSITIVE_INFINITY;
  const context: Context = { services, connection, args, name, db, session: undefined, deadline, position: 0 };
  let failure: Failure | undefined;
  let reply: Doc;
  try {
    failure = await services.failPoints.command(context);
    if (failure?.close) return undefined;
    if (failure?.error) throw failure.error;
    reply = await run(context);
    if (failure?.writeConcernError) reply.set('writeConcernError', failure.writeConcernError);
    services.metrics.ended(name, true);
  } catch (error) {
    if (error instanceof CloseConnection) return undefined;
    services.metrics.ended(name, false);
    endBroken(context);
    reply = errorReply(services, error);
  }
  addLabels(reply, context, failure?.labels);
  return finish(services, body, reply);
}

async function run(context: Context): Promise<Doc> {
  const { args, name, db, services } = context;
  const spec = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!spec) return fail(59, `no such command: '${name}'`);
  if (!db) fail(40571, 'OP_MSG requests require a $db argument');
  if (spec.adminOnly && db !== 'admin') fail(13, `${name} may only be run against the admin database.`);
  args.allow(allowed.get(name) as Set<string>);
  checkDeep(args.body);
  const version = args.get('apiVersion');
  if (version !== undefined && version !== '1') fail(322, 'API version must be "1"');
  if (version === undefined && (args.get('apiStrict') ?? args.get('apiDeprecationErrors')) !== undefined)
    fail(72, 'Provided apiStrict and/or apiDeprecationErrors without passing apiVersion');
  const maxTimeMs = args.count('maxTimeMS');
  const deadline = maxTimeMs > 0 ? performance.now() + maxTimeMs : Number.POSITIVE_INFINITY;
  const ready: Context = Object.assign(context, { session: openSession(context, spec), deadline });
  checkConcerns(ready, spec);
  if (!services.topology.primary && !WITHOUT_PRIMARY.has(name)) fail(spec.writes ? 10107 : 13435, 'not primary');
  const reply = await spec.run(ready);
  await awaitConcern(ready, spec, reply);
  return reply;
}

function errorReply(services: Services, error: unknown): Doc {
  const message = error instanceof Error ? error.message : String(error);
  const known = error instanceof CommandError ? error : new CommandError(1, message);
  if (known !== error) process.stderr.write(`${error instanceof Error ? error.stack : message}\n`);
  const { code, extra, labels } = known;
  return doc({
    ok: 0,
    errmsg: message,
    code,
    codeName: codeName(code),
    ...extra,
    topologyVersion: STATE_CHANGE_CODES.has(code) ? services.topology.version : undefined,
    errorLabels: labels.length ? labels : undefined,
  });
}

/** A signature of zeros, as a server without authentication sends it. */
const SIGNATURE = Doc.fromBytes(toBytes(doc({ hash: new Binary(Buffer.alloc(20)), keyId: 0n })));

function finish({ store }: Services, body: Doc, reply: Doc): Doc {
  // A client may carry a later time from elsewhere; ours must not fall behind it.
  const sent = body.get('$clusterTime');
  const time = sent instanceof Doc ? sent.get('clusterTime') : undefined;
  if (time instanceof Timestamp && time.compare(store.clusterTime) > 0 && !isHello(body)) store.clusterTime = time;
  if (!reply.has('ok')) reply.set('ok', 1);
  reply.set('$clusterTime', doc({ clusterTime: store.clusterTime, signature: SIGNATURE }));
  return reply.set('operationTime', store.clusterTime);
}
