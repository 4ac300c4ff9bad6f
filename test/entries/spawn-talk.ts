import { spawnNode } from '../helpers/processes.ts';

/** Starts a child through the helpers, says its pid, and stays. */
const child = await spawnNode('test/entries/talk.js', { env: { SAY: 'child' } });
await child.waitForLine(({ log }) => log.say === 'child');
process.stdout.write(`${JSON.stringify({ child: child.pid })}\n`);
