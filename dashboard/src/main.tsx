// Starts the page.
import { render } from 'preact';

import '@stockd/client/react.css';
import './style.css';
import { App } from './app.tsx';
import { startRouter } from './router.ts';
import { startSession } from './session.ts';

startRouter();
render(<App />, document.getElementById('page')!);
void startSession();
keepShell();

/** Over HTTPS the shell is kept for when there is no network; a service worker needs no more than that, and no less. */
function keepShell(): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator) || location.protocol !== 'https:') return;
  // The policy of the page lets only this address be named, and only by this policy.
  const types = window as { trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(url: string): string } } };
  const policy = types.trustedTypes?.createPolicy('stockd', { createScriptURL: () => '/sw.js' });
  void navigator.serviceWorker.register(policy?.createScriptURL('') ?? '/sw.js').catch(() => null);
}
