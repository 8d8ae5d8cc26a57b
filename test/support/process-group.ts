import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** False where no process of the group is left. */
export function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}

/**
 * True while a process of the group runs. A process that has ended but that nobody has waited for (a zombie) does not
 * run: in a container, process 1 may never collect orphans.
 */
export function groupRuns(group: number): boolean {
  if (!existsSync('/proc/self/stat')) return signalGroup(group, 0);
  return readdirSync('/proc').some((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      // pid (name, which may hold anything) state ppid pgrp …: proc_pid_stat(5)
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(pgrp) === group && state !== 'Z' && state !== 'X';
    } catch {
      return false; // ended while we looked
    }
  });
}
