#!/usr/bin/env node
import { runCli } from './run-cli.ts';

process.exitCode = await runCli({
  args: process.argv.slice(2),
  environment: process.env,
  folder: process.cwd(),
  out: text => process.stdout.write(text),
  err: text => process.stderr.write(text),
});
