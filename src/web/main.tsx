import { render } from 'preact';
import { App } from './app.tsx';
import { followLinks } from './state/router.js';
import { loadSession } from './state/session.js';
import { startTheme } from './state/theme.js';

startTheme();
document.addEventListener('click', followLinks);
render(<App />, document.getElementById('app') ?? document.body);
void loadSession();
