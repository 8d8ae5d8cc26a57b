import { FedrotError } from '../../src/errors.js';
import type { AdminHandlers, SiloHandlers } from '../../src/rpc/services.js';

function refuse(): Promise<never> {
  return Promise.reject(new FedrotError('precondition_failed', 'this test has no handler for the call'));
}

async function* refuseStream(): AsyncGenerator<never, void, undefined> {
  yield await refuse();
}

/** Handlers that refuse everything but what a test gives. */
export function siloHandlers(given: Partial<SiloHandlers> = {}): SiloHandlers {
  return {
    register: refuse,
    heartbeat: refuse,
    watchAssignments: refuseStream,
    fetchAdapter: refuseStream,
    fetchBundleFile: refuseStream,
    check: refuse,
    getUploadStatus: refuse,
    submitUpdate: refuse,
    reportProgress: refuse,
    reportFailure: refuse,
    submitEvaluation: refuse,
    ...given,
  };
}

export function adminHandlers(given: Partial<AdminHandlers> = {}): AdminHandlers {
  return {
    createRun: refuse,
    listRuns: () => Promise.resolve({ runs: [] }),
    getRun: refuse,
    watchRun: refuseStream,
    stopRun: refuse,
    pauseRun: refuse,
    resumeRun: refuse,
    listEvents: refuse,
    rollbackAdapter: refuse,
    listSilos: refuse,
    listAdapters: refuse,
    fetchAdapter: refuseStream,
    pushBundleFile: refuse,
    listBundles: refuse,
    createToken: refuse,
    listTokens: refuse,
    revokeToken: refuse,
    revokeParty: refuse,
    readmitParty: refuse,
    getAuthority: refuse,
    listRoundManifests: refuse,
    fetchUpdate: refuseStream,
    readAudit: refuseStream,
    ...given,
  };
}
