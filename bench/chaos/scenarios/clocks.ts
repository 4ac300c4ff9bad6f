import { alwaysOk, type JobMix } from '../job/job-plan.ts';
import { runAtErrors } from '../oracle/run-at.ts';
import { jumpClocks, jumpingClockEnv, missingFaketime, wrongClockEnv } from '../world/clock-faults.ts';
import { loadRound } from './load-round.ts';
import { atLeast, atMost, exactly } from './measures.ts';
import { type Scenario, scaled } from './scenario.ts';

const HOUR_S = 3_600;
const JUMP_S = 600;
const JUMPS = 40;
const RUN_AT_MS = 1_000;

const plain = alwaysOk({ fromMs: 20, toMs: 3_000 });

/** Jobs for later, half of which fail once and wait for their next attempt: both times are reckoned by somebody's clock. */
const forLater: JobMix = (key, random, number) => {
  const plan = plain(key, random, number);
  const payload = { ...plan.payload, acts: random.chance(0.5) ? (['fail', 'ok'] as const) : (['ok'] as const) };
  const retry = { strategy: 'fixed', delayMs: random.int(200, 3_000) } as const;
  return { ...plan, payload: { ...payload, acts: [...payload.acts] }, retry, delayMs: random.int(200, 5_000) };
};

/** That each slot of a schedule comes once is asked of the scheduler, when there is one. */
export const wrongClocks: Scenario = loadRound({
  name: 'F12',
  row: 'F12',
  title: `worker clocks an hour ahead, an hour behind, and one that jumps by 10 minutes and back, ${JUMPS}×`,
  target: 'no rescue, runAt error ≤ 1 s',
  missing: missingFaketime,
  mix: forLater,
  clients: 2,
  largestBulk: 5,
  workers: 3,
  concurrency: 10,
  pace: { perSecond: 6 },
  loadWhenUp: true,
  warmUpMs: 2_000,
  afterMs: 4_000,
  workerEnv: (number, { runDir }) => {
    if (number === 3) return jumpingClockEnv(runDir);
    return wrongClockEnv(number === 1 ? HOUR_S : -HOUR_S);
  },
  faults: [jumpClocks({ everyMs: 5_000, times: JUMPS, seconds: JUMP_S })],
  measures: ({ casebook, figures, scale }) => {
    const errors = runAtErrors(casebook).sort((a, b) => a - b);
    return [
      atLeast('jumps', casebook.faults.length, scaled(JUMPS, scale)),
      exactly('rescues', figures.rescues, 0),
      exactly('D', figures.duplicates, 0),
      atMost('runAt error, too early', Math.round(Math.max(0, -(errors[0] ?? 0))), RUN_AT_MS, 'ms'),
      atMost('runAt error, too late', Math.round(errors.at(-1) ?? 0), RUN_AT_MS, 'ms'),
    ];
  },
  limitMs: 20 * 60_000,
});
