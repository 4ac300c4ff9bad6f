import { Binary, Timestamp } from 'bson';
import { checkDeep, toBytes } from './codec.ts';
import { commands } from './commands.ts';
import type { Connection } from './connection.ts';
import type { Context } from './context.ts';
import { Arguments, words } from './context.ts';
import { CloseConnection, CommandError, codeName, fail, STATE_CHANGE_CODES } from './errors.ts';
import type { Failure } from './fail-points.ts';
import { isHello } from './hello.ts';
import { addLabels } from './labels.ts';
import type { Services } from './server.ts';
import { endBroken, openSession } from './session-commands.ts';
import { asText, Doc, doc, type Plain } from './value.ts';
import { awaitConcern, checkConcerns } from './write-concern.ts';

const allowed = new Map<string, ReadonlySet<string>>();

/** Runs one command and makes its reply; undefined = a fail point wants the connection closed. */
export async function dispatch(services: Services, connection: Connection, body: Doc): Promise<Doc | undefined> {
  const name = body.first?.name ?? '';
  const context: Context = {
    services,
    connection,
    args: new Arguments(body, name),
    name,
    db: asText(body.get('$db')),
    session: undefined,
    deadline: Number.POSITIVE_INFINITY,
    position: 0,
  };
  services.metrics.began(name);
  let failure: Failure | undefined;
  let reply: Doc;
  try {
    failure = await services.failPoints.command(context);
    if (failure?.close) return undefined;
    if (failure?.error) throw failure.error;
    reply = await run(services, context);
    if (failure?.writeConcernError) reply.set('writeConcernError', failure.writeConcernError);
    services.metrics.ended(name, true);
  } catch (error) {
    if (error instanceof CloseConnection) return undefined;
    services.metrics.ended(name, false);
    reply = errorReply(services, context, error);
  }
  addLabels(reply, context, failure?.labels);
  return finish(services, context, reply);
}

async function run(services: Services, context: Context): Promise<Doc> {
  const { args, name } = context;
  const spec = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!spec) return fail(59, `no such command: '${name}'`);
  if (!context.db) return fail(40571, 'OP_MSG requests require a $db argument');
  if (spec.adminOnly && context.db !== 'admin') return fail(13, `${name} may only be run against the admin database.`);
  let known = allowed.get(name);
  if (!known) {
    known = new Set([name, ...words(spec.fields), ...GENERIC]);
    allowed.set(name, known);
  }
  args.allow(known);
  checkDeep(args.body);
  checkApiVersion(args);
  const maxTimeMs = args.count('maxTimeMS');
  const ready: Context = Object.assign(context, {
    session: openSession(context, spec),
    deadline: maxTimeMs > 0 ? performance.now() + maxTimeMs : Number.POSITIVE_INFINITY,
  });
  checkConcerns(ready, spec);
  if (!services.topology.primary && !WITHOUT_PRIMARY.has(name)) fail(spec.writes ? 10107 : 13435, 'not primary');
  const reply = await spec.run(ready);
  await awaitConcern(ready, spec, reply);
  return reply;
}

/** Fields that any command may carry. */
const GENERIC = words(`$db $readPreference $clusterTime $audit $client $configServerState lsid txnNumber autocommit
  startTransaction readConcern writeConcern maxTimeMS comment apiVersion apiStrict apiDeprecationErrors help
  maxTimeMSOpOnly mayBypassWriteBlocking`);

const WITHOUT_PRIMARY = new Set(
  words(`hello isMaster ismaster ping buildInfo replSetFreeze configureFailPoint endSessions serverStatus
  killCursors replSetStepDown`),
);

function checkApiVersion(args: Arguments): void {
  const version = args.get('apiVersion');
  if (version === undefined) {
    if (args.get('apiStrict') !== undefined || args.get('apiDeprecationErrors') !== undefined)
      fail(72, 'Provided apiStrict and/or apiDeprecationErrors without passing apiVersion');
  } else if (version !== '1') fail(322, 'API version must be "1"');
}

function errorReply(services: Services, context: Context, error: unknown): Doc {
  const known = error instanceof CommandError ? error : internal(error);
  endBroken(context);
  const extra: Record<string, Plain> = known.extra;
  const reply = doc({ ok: 0, errmsg: known.message, code: known.code, codeName: codeName(known.code), ...extra });
  if (STATE_CHANGE_CODES.has(known.code)) reply.set('topologyVersion', services.topology.version);
  if (known.labels.length) reply.set('errorLabels', known.labels);
  return reply;
}

function internal(error: unknown): CommandError {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return new CommandError(1, error instanceof Error ? error.message : String(error));
}

/** A signature of zeros, as a server without authentication sends it. */
const SIGNATURE = Doc.fromBytes(toBytes(doc({ hash: new Binary(Buffer.alloc(20)), keyId: 0n })));

function finish(services: Services, context: Context, reply: Doc): Doc {
  const { store } = services;
  // A client may carry a later time from elsewhere; ours must not fall behind it.
  const sent = context.args.body.get('$clusterTime');
  const time = sent instanceof Doc ? sent.get('clusterTime') : undefined;
  if (time instanceof Timestamp && time.compare(store.clusterTime) > 0 && !isHello(context.args.body))
    store.clusterTime = time;
  if (!reply.has('ok')) reply.set('ok', 1);
  reply.set('$clusterTime', doc({ clusterTime: store.clusterTime, signature: SIGNATURE }));
  return reply.set('operationTime', store.clusterTime);
}
