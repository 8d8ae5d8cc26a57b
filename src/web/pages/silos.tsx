import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { CreatedToken, SiloView } from '../../api/types.js';
import { formatAgo, formatCount, formatTime, plural } from '../lib/format.js';
import { act } from '../state/api.js';
import { silos as live } from '../state/live.js';
import { may, now, session } from '../state/session.js';
import { useLoaded } from '../state/use-loaded.js';
import { Badge, Card, Empty, Failure, Loading, Note, PageHead } from '../ui/basics.tsx';
import { Confirm, Copyable, Dialog } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import { List, type Column } from '../ui/list.tsx';
import { addressOf, TokenForm } from './token-form.tsx';

interface Asked {
  readonly what: 'revoke' | 'readmit';
  readonly silo: string;
}

/** Everybody who was ever here. */
export function SilosPage(): JSX.Element {
  const revision = live.value?.revision;
  const { data, failure, reload } = useLoaded<readonly SiloView[]>('/silos', revision);
  const [search, setSearch] = useState('');
  const [enrolling, setEnrolling] = useState(false);
  const [asked, setAsked] = useState<Asked>();
  const rows = data?.filter(({ silo }) => silo.includes(search.trim().toLowerCase()));
  const close = (): void => setAsked(undefined);
  return (
    <>
      <PageHead
        title="Silos"
        about={
          data &&
          `${data.filter(({ connected }) => connected).length} of ${plural(data.length, 'silo')} connected`
        }
      >
        {may('admin') && (
          <button type="button" class="primary" onClick={() => setEnrolling(true)}>
            <Icon name="plus" />
            Enrol a silo
          </button>
        )}
      </PageHead>
      {failure && <Failure failure={failure} retry={reload} />}
      {!data && !failure && <Loading lines={6} />}
      {data && (
        <Card>
          {data.length > 0 && (
            <label class="search">
              <Icon name="search" />
              <span class="hidden">Search silos by name</span>
              <input
                type="search"
                placeholder="Search by name"
                value={search}
                onInput={(event) => setSearch(event.currentTarget.value)}
              />
            </label>
          )}
          <List
            label="silos"
            rows={rows ?? []}
            columns={columns(setAsked)}
            keyOf={({ silo }) => silo}
            sortedBy="Silo"
            maxRows={16}
            empty={
              data.length === 0 ? (
                <Empty icon="silos" title="No silo has joined yet">
                  <p>
                    A silo is a daemon beside somebody’s data: fedrot client. It dials out; nothing has to be
                    opened for it.
                  </p>
                  {may('admin') && (
                    <button type="button" class="primary" onClick={() => setEnrolling(true)}>
                      Enrol the first one
                    </button>
                  )}
                </Empty>
              ) : (
                <Empty icon="search" title={`No silo’s name contains ${search}`} />
              )
            }
          />
        </Card>
      )}
      {enrolling && <Enrol close={() => setEnrolling(false)} />}
      {asked && (
        <Confirm
          title={asked.what === 'revoke' ? `Put ${asked.silo} out?` : `Let ${asked.silo} enrol again?`}
          action={asked.what === 'revoke' ? 'Put it out' : 'Readmit'}
          tone={asked.what === 'revoke' ? 'danger' : 'primary'}
          reason={asked.what === 'revoke'}
          act={async (reason) => {
            await act(
              `/silos/${encodeURIComponent(asked.silo)}/${asked.what}`,
              asked.what === 'revoke' ? { reason } : {},
            );
            reload();
          }}
          close={close}
        >
          <p>
            {asked.what === 'revoke'
              ? 'Its connections end at once and everything it sends is refused. Updates that were counted stay.'
              : 'Its certificates so far stay revoked: make it a new token and have it enrol.'}
          </p>
        </Confirm>
      )}
    </>
  );
}

function columns(ask: (asked: Asked) => void): readonly Column<SiloView>[] {
  return [
    {
      title: 'Silo',
      width: 'minmax(8rem, 1.6fr)',
      cell: ({ silo }) => <span class="name">{silo}</span>,
      sort: ({ silo }) => silo,
    },
    {
      title: 'State',
      width: '7.5rem',
      cell: ({ connected, revoked }) =>
        revoked ? (
          <Badge tone="bad">put out</Badge>
        ) : connected ? (
          <Badge tone="good">connected</Badge>
        ) : (
          <Badge tone="calm">gone</Badge>
        ),
      sort: ({ connected, revoked }) => (revoked ? 2 : connected ? 0 : 1),
    },
    { title: 'Role', width: '6rem', cell: ({ role }) => role, sort: ({ role }) => role, wide: true },
    {
      title: 'Version',
      width: '6rem',
      cell: ({ softwareVersion }) => softwareVersion || '–',
      sort: ({ softwareVersion }) => softwareVersion,
      wide: true,
    },
    {
      title: 'Last seen',
      width: '7rem',
      cell: ({ lastSeenMs }) => (
        <span title={formatTime(lastSeenMs)}>{formatAgo(lastSeenMs, now.value)}</span>
      ),
      sort: ({ lastSeenMs }) => lastSeenMs,
    },
    {
      title: 'Examples',
      width: '6.5rem',
      align: 'right',
      wide: true,
      cell: ({ examples }) => formatCount(examples),
      sort: ({ examples }) => examples,
    },
    {
      title: 'Updates',
      width: '6rem',
      align: 'right',
      wide: true,
      cell: ({ updatesAccepted }) => formatCount(updatesAccepted),
      sort: ({ updatesAccepted }) => updatesAccepted,
    },
    {
      title: 'Failures',
      width: '6rem',
      align: 'right',
      wide: true,
      cell: ({ failures }) => formatCount(failures),
      sort: ({ failures }) => failures,
    },
    ...(may('admin')
      ? [
          {
            title: 'Access',
            width: '6.5rem',
            align: 'right' as const,
            wide: true,
            cell: ({ silo, revoked }: SiloView) => (
              <button
                type="button"
                class="small bare"
                aria-label={`${revoked ? 'Readmit' : 'Put out'} ${silo}`}
                onClick={() => ask({ what: revoked ? 'readmit' : 'revoke', silo })}
              >
                {revoked ? 'Readmit' : 'Put out'}
              </button>
            ),
          },
        ]
      : []),
  ];
}

/** What the silo's administrator runs. */
function Enrol({ close }: { readonly close: () => void }): JSX.Element {
  const [created, setCreated] = useState<CreatedToken>();
  const known = session.value;
  const address = addressOf(created);
  if (known?.security === 'plaintext')
    return (
      <Dialog title="Connect a silo" close={close}>
        <Note tone="info">
          This coordinator speaks plain text on this machine only: nobody has to enrol. For silos elsewhere
          start it with <code>security.mode: tls</code> on an address that they reach.
        </Note>
        <p>On this machine:</p>
        <Copyable
          label="command"
          text={`fedrot client --coordinator ${address} --name NAME --data-train FILE`}
        />
      </Dialog>
    );
  return (
    <Dialog title="Enrol a silo" close={close}>
      {created ? (
        <>
          <Note tone="info">
            The token works once, until {formatTime(created.record.expiresMs)}. Tell it over a channel that
            you trust: it is shown only now.
          </Note>
          <p>The administrator of {created.record.name} runs, beside the data:</p>
          <Copyable
            label="command for the silo"
            text={`fedrot enrol --coordinator ${address} --token ${created.token} --fingerprint ${created.fingerprint}\nfedrot client --data-train FILE`}
          />
          <div class="dialog-actions">
            <button type="button" class="primary" onClick={close}>
              Done
            </button>
          </div>
        </>
      ) : (
        <TokenForm what={{ kind: 'silo' }} placeholder="hospital-a" made={setCreated} close={close} />
      )}
    </Dialog>
  );
}
