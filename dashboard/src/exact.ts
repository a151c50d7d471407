// How exact the mirror is, worked out from its runs.
import type { Resource, ResourceStatus, StandingProblem, Status, SyncRun } from './rest.ts';

/** What a resource's runs say of it. */
export interface Exactness {
  resource: Resource;
  /** The run that goes on or waits just now. */
  running: SyncRun | null;
  /** 0 to 1; `null` while the end is not known. */
  progress: number | null;
  /** The last comparison of everything. */
  compared: SyncRun | null;
  /** The comparison since which each one found nothing different; `null` when the last one did find something. */
  exactSince: string | null;
  /** The last run failed, and nothing was read since. */
  failed: SyncRun | null;
}

/** `runs` is the history, newest first; what it lacks is taken from the status. */
export function exactness({ resource, lastRun, lastFullRun }: ResourceStatus, runs: readonly SyncRun[]): Exactness {
  const running = lastRun && (lastRun.state === 'running' || lastRun.state === 'queued') ? lastRun : null;
  const full = runs.filter(
    (run) => run.resource === resource && run.kind === 'full' && run.state === 'completed' && !run.dryRun,
  );
  const comparisons = full.length > 0 ? full : lastFullRun ? [lastFullRun] : [];
  let exactSince: string | null = null;
  for (const run of comparisons) {
    if (run.drift > 0) {
      // What it found it also put right, so from its end on nothing is known to differ; but it proves nothing before.
      break;
    }
    exactSince = run.startedAt;
  }
  return {
    resource,
    running,
    progress: running ? progressOf(running) : null,
    compared: comparisons[0] ?? null,
    exactSince,
    failed: lastRun?.state === 'failed' ? lastRun : null,
  };
}

function progressOf({ processed, total }: SyncRun): number | null {
  return total ? Math.min(1, processed / total) : null;
}

/** The first thing to know. */
export type Verdict =
  | { kind: 'well'; exactSince: string | null; differences: number }
  | { kind: 'importing' }
  | { kind: 'problem'; problem: StandingProblem; more: number }
  | { kind: 'failed'; run: SyncRun; more: number }
  | { kind: 'waiting'; webhooks: number };

/** So many webhooks waiting are a backlog and not the moment between two. */
const BACKLOG = 1_000;

export function verdict(status: Status, all: readonly Exactness[]): Verdict {
  const [problem, ...others] = status.problems;
  if (problem) return { kind: 'problem', problem, more: others.length };
  const failed = all.filter((one) => one.failed);
  if (failed[0]?.failed) return { kind: 'failed', run: failed[0].failed, more: failed.length - 1 };
  if (all.some(({ compared }) => !compared)) return { kind: 'importing' };
  if (status.waiting.webhooks > BACKLOG) return { kind: 'waiting', webhooks: status.waiting.webhooks };
  const since = all.map(({ exactSince }) => exactSince);
  return {
    kind: 'well',
    // All are exact since the latest of the moments.
    exactSince: since.includes(null) ? null : (since.toSorted().at(-1) ?? null),
    differences: all.reduce((sum, { compared }) => sum + (compared?.drift ?? 0), 0),
  };
}
