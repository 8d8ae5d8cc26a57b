import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FedrotError } from '../../errors.js';
import { canonicalJson } from '../../evidence/canonical-json.js';
import { writeFileAtomic } from '../../pki/secret-file.js';
import { sha256Hex } from '../../sha256.js';
import type { AcceptRules } from './accept-config.js';
import { objections, type Asked } from './rules.js';

const schema = z.strictObject({
  /** Names the request: the first 16 digits of a SHA-256 over run, bundle and settings. */
  id: z.string().regex(/^[0-9a-f]{16}$/),
  state: z.enum(['asked', 'granted', 'denied']),
  run: z.string(),
  bundle: z.string(),
  /** What is not accepted without consent. */
  objections: z.array(z.string()),
  /** The run's whole specification. */
  spec: z.unknown(),
  askedMs: z.number(),
  decidedMs: z.number().optional(),
});

/** Runs that the administrator is asked about; decided ones count, and are deleted by hand. */
const MAX_QUESTIONS = 1000;

export type Consent = Readonly<z.output<typeof schema>>;

/** Consent belongs to exactly this run with exactly these settings: another setting asks anew. */
function idOf({ runId, bundle, spec }: Asked): string {
  const plain: unknown = JSON.parse(JSON.stringify({ runId, bundle, spec }));
  return sha256Hex(canonicalJson(plain)).slice(0, 16);
}

/** What the silo's administrator was asked and has decided: one file each, below the silo's folder. */
export class Consents {
  constructor(private readonly folder: string) {}

  async list(): Promise<Consent[]> {
    const names = await readdir(this.folder).catch(() => []);
    const found = await Promise.all(
      names.filter((name) => name.endsWith('.json')).map((name) => this.#read(name.slice(0, -5))),
    );
    return found.filter((consent) => consent !== undefined).sort((a, b) => a.askedMs - b.askedMs);
  }

  /** Throws not_found. */
  async decide(id: string, state: 'granted' | 'denied', nowMs: number): Promise<Consent> {
    const known = await this.#read(id);
    if (known === undefined)
      throw new FedrotError('not_found', `nothing called ${id.slice(0, 40)} was asked for`);
    const decided: Consent = { ...known, state, decidedMs: nowMs };
    this.#write(decided);
    return decided;
  }

  /**
   * Returns where the rules accept the task or the administrator has agreed. Otherwise the question is written down, and
   * permission_denied thrown, which says what is to be done.
   */
  async require(asked: Asked, rules: AcceptRules, nowMs: number): Promise<void> {
    const problems = objections(asked, rules);
    if (problems.length === 0) return;
    const id = idOf(asked);
    const known = await this.#read(id);
    if (known?.state === 'granted') return;
    if (known === undefined) {
      await this.#requireRoom();
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      this.#write({
        id,
        state: 'asked',
        run: asked.runId,
        bundle: asked.bundle,
        objections: problems,
        spec: asked.spec,
        askedMs: nowMs,
      });
    }
    throw new FedrotError(
      'permission_denied',
      known?.state === 'denied'
        ? `the silo's administrator has refused this run (consent ${id}): ${problems.join('; ')}`
        : `the silo's administrator has to agree first (fedrot consent grant ${id}): ${problems.join('; ')}`,
    );
  }

  /** A coordinator that asks and asks must not fill the disk. */
  async #requireRoom(): Promise<void> {
    const names = await readdir(this.folder).catch(() => []);
    if (names.length >= MAX_QUESTIONS)
      throw new FedrotError(
        'quota_exceeded',
        `the silo's administrator was asked about ${names.length} runs; the silo asks about no more`,
      );
  }

  #write(consent: Consent): void {
    writeFileAtomic(join(this.folder, `${consent.id}.json`), `${JSON.stringify(consent, null, 2)}\n`);
  }

  async #read(id: string): Promise<Consent | undefined> {
    if (!/^[0-9a-f]{16}$/.test(id)) return undefined;
    try {
      return schema.safeParse(JSON.parse(await readFile(join(this.folder, `${id}.json`), 'utf8'))).data;
    } catch {
      return undefined;
    }
  }
}
