import { adminCommands } from './admin-commands.ts';
import { catalogCommands } from './catalog-commands.ts';
import type { Commands } from './context.ts';
import { indexCommands } from './index-commands.ts';
import { readCommands } from './read-commands.ts';
import { sessionCommands } from './session-commands.ts';
import { writeCommands } from './write-commands.ts';

/** Every command this server knows. What is not here is answered with error 59. */
export const commands: Commands = {
  ...adminCommands,
  ...sessionCommands,
  ...readCommands,
  ...writeCommands,
  ...catalogCommands,
  ...indexCommands,
};
