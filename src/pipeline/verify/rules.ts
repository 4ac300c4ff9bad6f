import { FIELD_RULES } from './field-rules.ts';
import { HISTORY_RULES } from './history-rules.ts';
import { LANE_RULES } from './lane-rules.ts';
import { LATE_RULES } from './late-rules.ts';
import type { JobRule, Rule } from './rule.ts';

/** Judged on every job of the walk. */
export const WALK_RULES: readonly JobRule[] = [...FIELD_RULES, ...HISTORY_RULES];

/** Every rule of `verify`, in the order of its table. */
export const RULES: readonly Rule[] = [...WALK_RULES, ...LATE_RULES, ...LANE_RULES];
