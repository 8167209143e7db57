// Signing in by a token.

import { useState } from 'preact/hooks';
import { asProblem } from '../core/api';
import { session, signIn } from '../core/session';
import { Button, Notice } from '../ui/basic';
import { TextField } from '../ui/field';

export function Login() {
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState<string | undefined>();
  const [isBusy, setBusy] = useState(false);
  const { value } = session;
  const submit = async (event: Event) => {
    event.preventDefault();
    const text = token.trim();
    if (!text) return setProblem('Paste the token here.');
    setBusy(true);
    setProblem(undefined);
    try {
      await signIn(text);
    } catch (error) {
      const refused = asProblem(error);
      setProblem(refused.status === 401 ? 'This token is not known, or was revoked. The next try takes a moment longer.' : refused.sentence);
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <form onSubmit={submit} noValidate>
        <h1>
          <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
            <rect width="24" height="24" rx="5" />
            <path d="M4 8h7l3 4-3 4H4M14 12h6" />
          </svg>
          Trunkline
        </h1>
        {value.state === 'out' && value.why && <Notice tone="warning">{value.why}</Notice>}
        <TextField label="Token" name="token" kind="password" value={token} problem={problem} autoFocus mono placeholder="tk_…" autocomplete="current-password" onInput={setToken} />
        <Button type="submit" kind="primary" busy={isBusy}>
          {isBusy ? 'Signing in …' : 'Sign in'}
        </Button>
        <div class="login-help">
          <p>No token yet? On the server, as root:</p>
          <pre>
            <code>trunkline token create --role admin</code>
          </pre>
        </div>
      </form>
    </main>
  );
}
