import { alwaysOk } from '../job/job-plan.ts';
import type { Casebook } from '../oracle/evidence.ts';
import type { Figures } from '../oracle/figures.ts';
import { postErrors } from '../oracle/post-errors.ts';
import { handedBackByTerm } from '../oracle/runs.ts';
import { rollingRestart } from '../world/restart-faults.ts';
import { type LoadRound, loadRound } from './load-round.ts';
import { atLeast, exactly, told } from './measures.ts';
import { type Measure, type Scenario, scaled } from './scenario.ts';

const DEPLOYS = 10;
const FEWEST = 2;
const WORKERS = 3;
const APIS = 2;

/** What a deploy may cost, whatever the jobs are. */
function deployMeasures(options: { casebook: Casebook; figures: Figures; scale: number; fewest: number }): Measure[] {
  const { casebook, figures, scale, fewest } = options;
  const { errors, elsewhere } = postErrors(casebook.posts, APIS);
  return [
    atLeast('processes restarted', figures.terms, scaled(DEPLOYS, scale, fewest) * (WORKERS + APIS)),
    exactly('POST errors', errors, 0),
    told('posts that went to the other API', elsewhere),
    exactly('extra runs', figures.extraRuns, 0),
    exactly(
      'retries consumed',
      casebook.jobs.reduce((sum, job) => sum + job.failures + job.crashes, 0),
      0,
    ),
  ];
}

const deploy = {
  row: 'F17',
  profile: 'production',
  apis: APIS,
  workers: WORKERS,
  clients: 8,
  largestBulk: 5,
  warmUpMs: 3_000,
  afterMs: 2_000,
  limitMs: 30 * 60_000,
} satisfies Partial<LoadRound>;

/** Jobs that end before the drain deadline: nobody sees the deploy. */
const shortJobs: Scenario = loadRound({
  ...deploy,
  name: 'F17',
  title: `rolling restart of ${WORKERS} workers and ${APIS} APIs at 200 jobs a second, ${DEPLOYS}×`,
  target: 'POST errors 0 for a client that tries the other API; extra runs 0, retries consumed 0; D = 0',
  mix: alwaysOk({ fromMs: 50, toMs: 300 }),
  concurrency: 20,
  // What a moment without an API holds up for longer than a second is left out: 200 come of it.
  pace: { perSecond: 210 },
  faults: [rollingRestart({ everyMs: 5_000, times: DEPLOYS, least: FEWEST })],
  measures: ({ casebook, figures, scale }) => [
    ...deployMeasures({ casebook, figures, scale, fewest: FEWEST }),
    exactly('D', figures.duplicates, 0),
    told('jobs a second', postedPerSecond(casebook)),
  ],
});

const longOnes = alwaysOk({ fromMs: 4_000, toMs: 8_000, honoursSignal: true });
const shortOnes = alwaysOk({ fromMs: 50, toMs: 300, honoursSignal: true });

/** Some jobs are longer than the drain deadline, and their handlers stop when they are asked to: they are handed back. */
const longJobs: Scenario = loadRound({
  ...deploy,
  name: 'F17 long jobs',
  title: `the same, while some jobs are longer than the drain deadline and honour their signal`,
  target: 'POST errors 0; extra runs 0, retries consumed 0: what is handed back runs again, uncounted',
  mix: (key, random, index) => (random.chance(0.1) ? longOnes : shortOnes)(key, random, index),
  concurrency: 10,
  env: { DRAIN_DEADLINE_MS: '3000' },
  pace: { perSecond: 25 },
  faults: [rollingRestart({ everyMs: 5_000, times: DEPLOYS })],
  measures: ({ casebook, figures, scale }) => {
    const handedBack = handedBackByTerm(casebook).length;
    return [
      ...deployMeasures({ casebook, figures, scale, fewest: 1 }),
      atLeast('runs handed back', handedBack, scaled(DEPLOYS, scale)),
      exactly('D beyond what was handed back', figures.duplicates - handedBack, 0),
    ];
  },
});

export const RESTART_SCENARIOS: readonly Scenario[] = [shortJobs, longJobs];

function postedPerSecond({ posts }: Casebook): number {
  const times = posts.map(post => post.at);
  const seconds = (Math.max(...times) - Math.min(...times)) / 1_000;
  return new Set(posts.map(post => post.key)).size / seconds;
}
