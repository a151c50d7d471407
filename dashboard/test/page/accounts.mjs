// Accounts as the daemon keeps them, for pages that ask for them.
export const ANN = { id: 'ann', name: 'Ann', role: 'admin', locations: null, shops: null, language: null };
export const PASSWORD = 'a long enough password';

/** Answers in the daemon's place, and remembers what was asked. */
export class Accounts {
  asked = [];
  signedIn = false;
  options = { passwordLogin: true, providers: [{ name: 'acme', button: 'Sign in with Acme', href: '/api/v1/session/oidc/acme' }], tls: true };
  /** Seconds for which a token is said to be good. */
  seconds = 600;
  user = ANN;
  people = [{ ...ANN, disabled: false, lastSeenAt: null }];
  sessions = [
    { id: 's1', startedAt: new Date().toISOString(), lastSeenAt: new Date().toISOString(), userAgent: 'Chromium on Linux', current: true },
    { id: 's2', startedAt: new Date().toISOString(), lastSeenAt: new Date().toISOString(), userAgent: 'A phone', current: false },
  ];

  /** The house has the tokens that are given. */
  constructor(house) {
    this.house = house;
  }

  async serve(context) {
    await context.route(/\/api\/v1\/(session|sessions|users)\b/, async (route) => {
      const request = route.request();
      const path = new URL(request.url()).pathname.replace('/api/v1/', '');
      const [status, json] = this.answer(request.method(), path, request.postDataJSON());
      await (json === null ? route.fulfill({ status }) : route.fulfill({ status, json }));
    });
  }

  answer(method, path, body) {
    this.asked.push(`${method} ${path}`);
    const refuse = (status, code, message) => [status, { error: { code, message, retryable: false } }];
    const enter = () => {
      this.signedIn = true;
      return [200, { token: this.house.tokens.admin, expiresAt: new Date(Date.now() + this.seconds * 1_000).toISOString(), user: this.user }];
    };
    switch (`${method} ${path}`) {
      case 'GET session/options':
        return [200, this.options];
      case 'POST session':
        return body.name === 'Ann' && body.password === PASSWORD ? enter() : refuse(401, 'TOKEN_INVALID', 'The name or the password is wrong.');
      case 'POST session/link':
        return body.link === 'good' ? enter() : refuse(404, 'NOT_FOUND', 'This link was used, or is too old. Ask for a new one.');
      case 'POST session/refresh':
        return this.signedIn ? enter() : refuse(401, 'TOKEN_INVALID', 'There is no session.');
      case 'DELETE session':
      case 'DELETE sessions':
        this.signedIn = false;
        return [204, null];
      case 'GET sessions':
        return [200, { data: this.sessions }];
      case 'DELETE sessions/s2':
        this.sessions = this.sessions.slice(0, 1);
        return [204, null];
      case 'GET users':
        return [200, { data: this.people }];
      case 'POST users':
        this.people.push({ id: 'bob', disabled: false, lastSeenAt: null, ...body });
        return [201, this.people.at(-1)];
      case 'PATCH users/bob':
        Object.assign(this.people.at(-1), body);
        return [200, this.people.at(-1)];
      case 'PATCH users/ann':
        return body.currentPassword === 'wrong' ? refuse(401, 'FORBIDDEN', 'The current password is another one.') : [200, ANN];
      case 'POST users/bob/link':
        return [200, { link: `${this.house.url}/#link=for-bob` }];
      default:
        throw new Error(`${method} ${path}`);
    }
  }
}
