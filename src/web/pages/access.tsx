import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { CreatedToken, TokenView } from '../../api/types.js';
import { formatAgo, formatTime } from '../lib/format.js';
import { act, failureOf, type ApiFailure } from '../state/api.js';
import { may, now, session } from '../state/session.js';
import { useLoaded } from '../state/use-loaded.js';
import { Badge, Card, Empty, Facts, Failure, Loading, Note, PageHead } from '../ui/basics.tsx';
import { Copyable, Dialog } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import { List, type Column } from '../ui/list.tsx';
import { addressOf, TokenForm } from './token-form.tsx';

const TONES: Readonly<Record<string, string>> = {
  unused: 'live',
  valid: 'good',
  used: 'calm',
  expired: 'warn',
  revoked: 'bad',
};

/** Tokens: who may enrol, and who may sign in here. */
export function AccessPage(): JSX.Element {
  const { data, failure, reload } = useLoaded<readonly TokenView[]>(may('admin') ? '/tokens' : undefined);
  const [creating, setCreating] = useState(false);
  const [problem, setProblem] = useState<ApiFailure>();
  const wrong = failure ?? problem;
  if (!may('admin'))
    return (
      <>
        <PageHead title="Access" />
        <Empty icon="access" title="Only admins see who may join" />
      </>
    );
  const revoke = (id: string): void => {
    act(`/tokens/${id}/revoke`).then(reload, (thrown: unknown) => setProblem(failureOf(thrown)));
  };
  return (
    <>
      <PageHead title="Access" about="who may enrol, and who may sign in here">
        <button type="button" class="primary" onClick={() => setCreating(true)}>
          <Icon name="plus" />
          Let somebody in
        </button>
      </PageHead>
      {wrong && <Failure failure={wrong} retry={reload} />}
      <Card title="This coordinator">
        <Facts
          facts={[
            ['Name', session.value?.coordinator],
            ['Security', session.value?.security],
            ['gRPC port', session.value?.grpcPort],
            ['Authority (SHA-256)', <code key="print">{session.value?.fingerprint}</code>],
          ]}
        />
      </Card>
      {!data && !failure && <Loading lines={4} />}
      {data && (
        <Card title="Tokens" about="one-time tokens for enrolment, and those that sign in to this dashboard">
          <List
            label="tokens"
            rows={data}
            columns={columns(revoke)}
            keyOf={({ id }) => id}
            sortedBy="Made"
            descending
            empty={<Empty icon="access" title="No token has been made yet" />}
          />
        </Card>
      )}
      {creating && (
        <Create
          close={() => {
            setCreating(false);
            reload();
          }}
        />
      )}
    </>
  );
}

function columns(revoke: (id: string) => void): readonly Column<TokenView>[] {
  return [
    {
      title: 'For',
      width: 'minmax(9rem, 2fr)',
      cell: ({ kind, name, role }) => (
        <span class="one-line">
          <span class="name">{name}</span>{' '}
          <span class="quiet">
            {kind}
            {role === '' ? '' : ` · ${role}`}
          </span>
        </span>
      ),
      sort: ({ name }) => name,
    },
    {
      title: 'State',
      width: '6.5rem',
      cell: ({ state }) => <Badge tone={TONES[state] ?? 'calm'}>{state}</Badge>,
      sort: ({ state }) => state,
    },
    { title: 'Id', width: '8.5rem', cell: ({ id }) => <code>{id}</code>, wide: true },
    {
      title: 'By',
      width: 'minmax(8rem, 1fr)',
      cell: ({ createdBy }) => <span class="one-line">{createdBy}</span>,
      wide: true,
    },
    {
      title: 'Made',
      width: '7rem',
      cell: ({ createdMs }) => formatAgo(createdMs, now.value),
      sort: ({ createdMs }) => createdMs,
      wide: true,
    },
    { title: 'Until', width: '11.5rem', cell: ({ expiresMs }) => formatTime(expiresMs), wide: true },
    {
      title: 'Action',
      width: '6rem',
      align: 'right',
      cell: ({ id, state, name }) =>
        state === 'unused' || state === 'valid' ? (
          <button
            type="button"
            class="small bare"
            aria-label={`Revoke the token of ${name}`}
            onClick={() => revoke(id)}
          >
            Revoke
          </button>
        ) : (
          ''
        ),
    },
  ];
}

const KINDS = [
  ['dashboard', 'somebody who signs in here'],
  ['silo', 'a silo'],
  ['operator', 'somebody with the command line'],
  ['signer', 'somebody who signs bundles'],
] as const;
const ROLES = [
  ['viewer', 'may look'],
  ['operator', 'starts and stops runs, downloads adapters'],
  ['admin', 'lets others in and out, too'],
] as const;

function Create({ close }: { readonly close: () => void }): JSX.Element {
  const [kind, setKind] = useState<string>('dashboard');
  const [role, setRole] = useState<string>('viewer');
  const [created, setCreated] = useState<CreatedToken>();
  const hasRole = kind === 'dashboard' || kind === 'operator';
  const address = addressOf(created);
  const place = kind === 'silo' ? '' : ` --credential ~/.fedrot/${kind}`;
  return (
    <Dialog title="Let somebody in" close={close}>
      {created ? (
        <>
          <Note tone="info">
            Good until {formatTime(created.record.expiresMs)}
            {kind === 'dashboard' ? '' : ', once'}. Tell it over a channel that you trust: it is shown only
            now.
          </Note>
          <Copyable
            label={kind === 'dashboard' ? 'token' : 'command'}
            text={
              kind === 'dashboard'
                ? created.token
                : `fedrot enrol --coordinator ${address} --token ${created.token} --fingerprint ${created.fingerprint}${place}`
            }
          />
          <div class="dialog-actions">
            <button type="button" class="primary" onClick={close}>
              Done
            </button>
          </div>
        </>
      ) : (
        <TokenForm
          what={{ kind, role: hasRole ? role : '' }}
          placeholder="ada"
          made={setCreated}
          close={close}
          before={<Choice label="Who" value={kind} options={KINDS} set={setKind} />}
          after={hasRole && <Choice label="Role" value={role} options={ROLES} set={setRole} />}
        />
      )}
    </Dialog>
  );
}

function Choice(props: {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, about: string])[];
  readonly set: (value: string) => void;
}): JSX.Element {
  return (
    <label class="field">
      <span>{props.label}</span>
      <select value={props.value} onInput={(event) => props.set(event.currentTarget.value)}>
        {props.options.map(([value, about]) => (
          <option key={value} value={value}>
            {value}: {about}
          </option>
        ))}
      </select>
    </label>
  );
}
