import { writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../platform/errors.ts';
import { createLogger } from '../../platform/logger.ts';
import { runDemo } from './demo.ts';
import { DemoStack } from './demo-stack.ts';

const HELP = `Usage: npm run demo -- [--once] [--verbose]

Starts MongoDB and Redis where none are, the API and two workers, runs a few hundred jobs of all types and stays up.

  --once      ends when all jobs have ended: exit 0 when each ended as expected, else 1
  --verbose   shows what the API and the workers log
  --data DIR  keeps data there (default .data/demo)
`;

const EXIT = { ok: 0, failed: 1, usage: 64, interrupted: 130 } as const;

interface Options {
  once: boolean;
  verbose: boolean;
  data: string;
}

function readOptions(): Options | null {
  try {
    const { values } = parseArgs({
      options: {
        once: { type: 'boolean', default: false },
        verbose: { type: 'boolean', default: false },
        data: { type: 'string', default: '.data/demo' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    return values.help ? null : values;
  } catch (error) {
    writeSync(2, `${messageOf(error)}\n\n`);
    return null;
  }
}

async function main(options: Options): Promise<void> {
  const stack = new DemoStack({
    environment: process.env,
    dataDir: resolve(options.data),
    log: createLogger({ level: 'warn', name: 'demo' }),
    onLine: options.verbose ? (name, line) => void process.stdout.write(`${name} | ${line}\n`) : null,
  });
  let code: number = EXIT.interrupted;
  let isEnding = false;
  const end = async (): Promise<void> => {
    if (isEnding) return;
    isEnding = true;
    await stack.stop().catch(error => writeSync(2, `${messageOf(error)}\n`));
    process.exit(code);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end());
  try {
    await stack.start();
    process.stdout.write(`${stack.servers}\n`);
    const death = stack.died.then(why => {
      throw new Error(why);
    });
    const redraws = process.stdout.isTTY && !options.verbose;
    const outcome = await Promise.race([runDemo(stack, process.stdout, redraws), death]);
    code = outcome.asExpected ? EXIT.ok : EXIT.failed;
    if (options.once) return await end();
    process.stdout.write(invitation(stack, outcome.exampleId));
    await death;
  } catch (error) {
    if (isEnding) return;
    code = EXIT.failed;
    writeSync(2, `\nThe demo failed: ${messageOf(error)}\nLogs: ${stack.logFolder}\n`);
    await end();
  }
}

function invitation({ apiUrl, workerUrls, logFolder }: DemoStack, exampleId: string | null): string {
  const body =
    '{"type":"user:notification","payload":{"userId":"u1","channel":"inapp","title":"Hi","body":"It works"}}';
  return `
API        ${apiUrl}/docs
Bull Board ${apiUrl}/ui
Health     ${[apiUrl, ...workerUrls].map(url => `${url}/health`).join('  ')}
Logs       ${logFolder}

Submit a job, then read it under the id of the answer:
  curl -s ${apiUrl}/v1/jobs -H 'content-type: application/json' -d '${body}'
  curl -s ${apiUrl}/v1/jobs/${exampleId ?? '<id>'}

Ctrl-C stops everything.
`;
}

const options = readOptions();
if (options) {
  await main(options);
} else {
  writeSync(1, HELP);
  process.exitCode = process.argv.includes('--help') || process.argv.includes('-h') ? EXIT.ok : EXIT.usage;
}
