import type { JSX } from 'preact';
import { Card, Facts } from '../ui/basics.tsx';
import { Copyable } from '../ui/dialog.tsx';

type Spec = Readonly<Record<string, unknown>>;

/** The run's specification with every default, section by section. */
export function RunSpecification({ spec }: { readonly spec: Spec }): JSX.Element {
  const sections = Object.entries(spec).filter(([, value]) => isSection(value)) as [string, Spec][];
  const rest = Object.entries(spec).filter(([, value]) => !isSection(value));
  return (
    <>
      <div class="sections">
        <Card title="run">
          <Facts facts={rest.map(([key, value]) => [key, show(value)] as const)} />
        </Card>
        {sections.map(([name, section]) => (
          <Card key={name} title={name}>
            <Facts facts={flat(section).map(([key, value]) => [key, show(value)] as const)} />
          </Card>
        ))}
      </div>
      <Card title="As JSON" about="save it as a file and start the same run again: fedrot run create --file">
        <Copyable text={JSON.stringify(spec, null, 2)} label="specification as JSON" />
      </Card>
    </>
  );
}

const isSection = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function flat(section: Spec, prefix = ''): readonly (readonly [string, unknown])[] {
  return Object.entries(section).flatMap(([key, value]) =>
    isSection(value) ? flat(value as Spec, `${prefix}${key}.`) : [[`${prefix}${key}`, value] as const],
  );
}

function show(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
