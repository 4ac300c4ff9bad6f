import fc from 'fast-check';
import { isTerminal } from '../../../src/pipeline/store/job-document.ts';
import { type Request, request } from './client-moves.ts';
import type { Fleet } from './fleet.ts';
import type { Job } from './job.ts';
import { pathSteps } from './path-steps.ts';
import { recoverySteps } from './recovery-steps.ts';
import { draw, jobsOf, operation, pick, step, type WeightedStep, WHOLE, worker } from './step.ts';

const tenant = fc.constantFrom(null, 'default', 'default', 'default', 'other');
const mayBeRedriven = ({ status }: Job): boolean => status === 'failed' || status === 'cancelled';

function requestOf(weight: number, what: Request, isGood: (job: Job) => boolean): WeightedStep {
  return operation(weight, what, [draw, tenant], (fleet, pace, drawn, asked) => {
    const job = pick(jobsOf(fleet), drawn, isGood);
    return job ? () => request(fleet, pace, what, job.id, asked) : null;
  });
}

const requests: WeightedStep[] = [
  requestOf(2, 'cancel', job => job.status === 'processing'),
  requestOf(1, 'redrive', mayBeRedriven),
  requestOf(1, 'delete', job => isTerminal(job.status)),
  // Between the two writes of a rescue.
  step(12, 'cancel a run that is being rescued', [draw], (fleet, drawn) => {
    const isRescued = (job: Job): boolean => fleet.inFlight.some(({ label }) => label.startsWith(`rescues ${job.id}`));
    const job = pick(jobsOf(fleet).filter(isRescued), drawn, ({ status }) => status === 'processing');
    return job ? () => request(fleet, WHOLE, 'cancel', job.id, null) : null;
  }),
  // While another request about the job stands still.
  step(8, 'another life begins', [draw], (fleet, drawn) => {
    const isAsked = (job: Job): boolean =>
      fleet.inFlight.some(({ label }) => label.startsWith('is asked') && label.includes(job.id));
    const job = pick(jobsOf(fleet).filter(isAsked), drawn, ({ status }) => status === 'pending');
    if (!job) return null;
    return async () => {
      await request(fleet, WHOLE, 'cancel', job.id, null);
      await request(fleet, WHOLE, 'redrive', job.id, null);
    };
  }),
];

const rarely = fc.nat(7).map(drawn => drawn === 0);
const hasLiveLease = ({ beat, isOver }: Job): boolean => beat !== null && !isOver;

const circumstances: WeightedStep[] = [
  step(12, 'lease runs out', [draw], (fleet, drawn) => {
    const job = pick(jobsOf(fleet).filter(hasLiveLease), drawn, ({ status }) => status === 'processing');
    return job ? () => fleet.runOut(job) : null;
  }),
  step(1, 'time passes', [], fleet => () => fleet.wait(200)),
  step(1, 'crash', [worker, rarely], (fleet, by, now) => (now ? () => fleet.crash(by) : null)),
  step(1, 'flush', [rarely], (fleet, now) => (now && fleet.tickets.length > 0 ? () => fleet.flush() : null)),
  step(14, 'go on', [draw, fc.integer({ min: 1, max: 3 })], (fleet, drawn, commands) => {
    const at = drawn % Math.max(1, fleet.inFlight.length);
    const fate = drawn % 11 === 0 ? 'lost' : 'reply';
    return fleet.inFlight[at] ? () => fleet.proceed(at, { commands, fate }) : null;
  }),
];

/** Everything that can happen, as often as it makes a good mixture. */
export const steps: fc.Arbitrary<fc.AsyncCommand<Fleet, object>> = fc.oneof(
  ...pathSteps,
  ...recoverySteps,
  ...requests,
  ...circumstances,
);
