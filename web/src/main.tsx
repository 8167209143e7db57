// Where the console begins.

import { render } from 'preact';
import { App } from './app';
import { listen } from './core/shortcuts';
import { resume } from './core/session';
import { show } from './core/theme';
import './style/tokens.css';
import './style/base.css';
import './style/controls.css';
import './style/surfaces.css';
import './style/shell.css';
import './style/layout.css';
import './style/tables.css';
import './style/narrow.css';
import './style/screens.css';
import './style/calls.css';

show();
listen();
void resume();
const root = document.getElementById('app');
if (root) {
  root.textContent = '';
  render(<App />, root);
}
