/** Says what it was told, then waits for SIGTERM and ends with 3. */
const stay = setInterval(() => undefined, 60_000);
process.on('SIGTERM', () => {
  process.stderr.write('going\n');
  clearInterval(stay);
  process.exitCode = 3;
});
process.stdout.write(`${JSON.stringify({ say: process.env.SAY ?? '', args: process.argv.slice(2) })}\n`);
process.stdout.write('plain text\n');
