import type { mongo } from 'mongoose';
import { JobBatchRepository } from '../../../src/pipeline/store/job-batch-repository.ts';
import type { JobDocument } from '../../../src/pipeline/store/job-document.ts';
import { beat, markIsolated } from '../../../src/pipeline/store/run-leases.ts';
import {
  findRuns,
  outcomeWrite,
  type Recorded,
  type RunEnd,
  runOf,
  settle,
  writeOutcomes,
} from '../../../src/pipeline/store/run-outcomes.ts';
import { newRunKey, openStartGate } from '../../../src/pipeline/store/start-gate.ts';
import type { StoreContext } from '../../../src/pipeline/store/store-context.ts';
import type { Fleet, Gate, Group, HeldRun, HeldTicket, Pace } from './fleet.ts';
import * as model from './operations.ts';

/*
 * The path of a job: each move calls the product's own operation and the model's, and hands what came of it to whom it
 * belongs. What clients ask for is in client-moves.ts, recovery in recovery-moves.ts.
 */

/** How many times a job's process died until it is poison, as the configuration has it. */
const POISON_CRASHES = 3;

const hex = (id: mongo.ObjectId): string => id.toHexString();

/** A new one for each claim: what a loader learns from races makes it begin elsewhere at random, which the model does not know. */
const repository = (context: StoreContext): JobBatchRepository =>
  new JobBatchRepository(context, ({ error }) => {
    throw error;
  });

export function claim(fleet: Fleet, pace: Pace, by: string, limit: number): Promise<void> {
  const token = `token-${fleet.world.stamp()}`;
  return fleet.go(by, pace, {
    label: `claims ${limit}`,
    model: model.claim(fleet.world, limit, token, by),
    real: context => repository(context).loadNextBatch('default', limit),
    view: claimed => claimed.map(({ id }) => ({ id: hex(id), token })),
    done: claimed => fleet.tickets.push(...claimed.map(real => ({ id: hex(real.id), token, real }))),
  });
}

/** All tickets of one batch, as a loader gives them back. */
export function giveBack(fleet: Fleet, pace: Pace, by: string, tickets: readonly HeldTicket[]): Promise<void> {
  return fleet.go(by, pace, {
    label: `gives back ${tickets.map(({ id }) => id).join()}`,
    model: model.giveBack(fleet.world, tickets, by),
    real: context => repository(context).giveBack(tickets.map(({ real }) => real)),
    view: answer => answer,
  });
}

export function unstart(fleet: Fleet, pace: Pace, by: string, ticket: HeldTicket, delay: number | null): Promise<void> {
  return fleet.go(by, pace, {
    label: `does not start ${ticket.id}`,
    model: model.unstart(fleet.world, ticket, delay, by),
    real: context => repository(context).unstart(ticket.real, delay, 'test'),
    view: answer => answer,
  });
}

export const newGate = (by: string, tickets: HeldTicket[]): Gate => ({ by, tickets, runKey: newRunKey() });

export function openGate(fleet: Fleet, pace: Pace, gate: Gate): Promise<void> {
  const { by, runKey, tickets } = gate;
  return fleet.go(by, pace, {
    label: `opens the gate ${hex(runKey)} for ${tickets.map(({ id, token }) => `${id} ${token}`).join(', ')}`,
    model: model.openGate(fleet.world, tickets, hex(runKey), by),
    real: context =>
      openStartGate(
        context,
        tickets.map(({ real }) => real),
        runKey,
      ),
    view: jobs => jobs.map(job => job !== null),
    done: jobs => {
      for (const job of jobs) if (job) fleet.runs.push(heldRun(job, by));
      const started = jobs.filter(job => job !== null).length;
      fleet.census.count('ticket refused by the gate', jobs.length - started);
      if (started > 0 && started < jobs.length) fleet.census.count('gate of fresh and stale tickets');
    },
    failed: () => fleet.lostGates.push(gate),
  });
}

function heldRun(job: JobDocument, by: string): HeldRun {
  const { failures, crashes, maxRetries, retry } = job;
  const state = { failures, crashes, maxRetries, retry, poisonCrashes: POISON_CRASHES };
  return { id: hex(job._id), runKey: hex(job.runKey!), by, ref: runOf(job, job.runKey!), state };
}

export function beatRuns(fleet: Fleet, pace: Pace, by: string, runs: readonly HeldRun[]): Promise<void> {
  return fleet.go(by, pace, {
    label: `beats for ${runs.map(({ id }) => id).join()}`,
    model: model.beat(fleet.world, runs, by),
    real: context =>
      beat(
        context,
        runs.map(({ ref }) => ref),
      ),
    view: answers => answers,
    done: answers => {
      for (const answer of answers) fleet.census.count(`beat: ${answer}`);
    },
  });
}

export function isolate(fleet: Fleet, pace: Pace, run: HeldRun): Promise<void> {
  return fleet.go(run.by, pace, {
    label: `has a child for ${run.id}`,
    model: model.isolate(fleet.world, run),
    real: context => markIsolated(context, run.ref),
    view: answer => answer,
  });
}

export function record(fleet: Fleet, pace: Pace, group: Group): Promise<void> {
  const { by, ends } = group;
  const inModel = ends.map(({ run, outcome }) => ({ run: { id: hex(run.id), runKey: hex(run.runKey) }, outcome }));
  return fleet.go(by, pace, {
    label: `records ${inModel.map(({ run, outcome }) => `${outcome.kind} of ${run.id} ${run.runKey}`).join(', ')}`,
    model: model.record(fleet.world, inModel, by),
    real: context => recordAll(context, ends),
    view: answers => answers,
    done: answers => {
      for (const { status } of answers) fleet.census.count(`outcome ${status}`);
    },
    failed: () => fleet.lostGroups.push(group),
  });
}

/** The rounds of the recorder: the group's write, then a look at each member as long as one was not found. */
async function recordAll(context: StoreContext, ends: readonly RunEnd[]): Promise<Recorded[]> {
  const answers: Recorded[] = [];
  let open = ends.map((end, index) => ({ end, index }));
  while (open.length > 0) {
    const writes = open.map(({ end }) => outcomeWrite(context, end));
    const isUrgent = open.every(({ end }) => end.outcome.kind === 'handed-back');
    const matched = await writeOutcomes(context, writes, isUrgent);
    const ids = open.map(({ end }) => end.run.id);
    const found = matched === open.length ? null : await findRuns(context, ids);
    const again: typeof open = [];
    for (const [at, { end, index }] of open.entries()) {
      const { via, to } = writes[at]!;
      const settled = found
        ? settle(context.processId, end, found.get(hex(end.run.id)))
        : ({ status: 'recorded', as: to, via } as const);
      if (settled.status === 'again') again.push({ end: { ...end, outcome: settled.outcome }, index });
      else answers[index] = settled;
    }
    open = again;
  }
  return answers;
}
