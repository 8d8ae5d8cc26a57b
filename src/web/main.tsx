import { signal } from '@preact/signals';
import { render } from 'preact';

const title = signal('fedrot');

render(<main>{title}</main>, document.getElementById('app') ?? document.body);
