import { checkName } from '../../name.js';
import type { CallContext } from '../../rpc/call-context.js';
import type { SiloRegistry } from '../coordinator/silo-registry.js';
import type { SiloRecord } from '../store/store.js';
import type { Identity } from './identity.js';

/** Metadata key of the session that Register gave. */
const SESSION_KEY = 'fedrot-session';

/** Who calls as a silo, and that its session is the current one. */
export class SiloCaller {
  constructor(
    private readonly identity: Identity,
    private readonly silos: SiloRegistry,
  ) {}

  /** The caller's name, before it has a session. */
  identify(claimed: string, context: CallContext): string {
    return checkName(this.identity.silo(claimed, context), 'silo');
  }

  /** A registered silo; the call is a sign of life. Throws unauthenticated where it has to register. */
  require(claimed: string, context: CallContext): SiloRecord {
    const silo = this.identify(claimed, context);
    return this.silos.touch(silo, context.metadata(SESSION_KEY));
  }

  /** For calls whose message names no silo: whoever has a current session. */
  requireSession(context: CallContext): SiloRecord {
    const claimed = this.silos.siloOfSession(context.metadata(SESSION_KEY));
    return this.require(claimed, context);
  }
}
