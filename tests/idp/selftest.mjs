// Checks that the provider does all that the gateway's tests lean on.
// Starts its own server on a free port, and a listener for logout notices.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const notices = [];
const listener = createServer((req, res) => {
  let text = '';
  req.on('data', (d) => { text += d; }).on('end', () => {
    notices.push(new URLSearchParams(text).get('logout_token'));
    res.writeHead(200, { 'cache-control': 'no-store' }).end();
    listener.emit('notice');
  });
}).listen(0, '127.0.0.1');
await once(listener, 'listening');
const noticed = `http://127.0.0.1:${listener.address().port}/`;

const server = spawn(process.execPath, [fileURLToPath(new URL('server.mjs', import.meta.url))], {
  env: { ...process.env, IDP_PORT: '0', IDP_ISSUER: undefined, IDP_BACKCHANNEL_URI: `${noticed}oauth2/backchannel-logout` },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [ready] = await once(createInterface({ input: server.stdout }), 'line');
process.env.IDP_ISSUER = JSON.parse(ready).issuer;
const jose = await import('jose');
const { Browser } = await import('./browser.mjs');
const { M2M, RS, WEB, REDIRECT, ISSUER, authorizationRequest, discover, post } = await import('./oidc.mjs');
const { login } = await import('./auth-code.mjs');
const hook = async (name, body = {}) => (await fetch(`${ISSUER}/_test/${name}`, { method: 'POST', body: JSON.stringify(body) })).json();

let passed = 0;
let failed = 0;
const check = (name, ok, seen) => {
  if (ok) passed += 1;
  else { failed += 1; console.log(`not ok: ${name}`, seen ?? ''); }
};

try {
  const metadata = await discover();
  const jwks = jose.createRemoteJWKSet(new URL(metadata.jwks_uri));
  check('issuer is as configured', metadata.issuer === ISSUER, metadata.issuer);

  const m2m = await post(metadata.token_endpoint, M2M, { grant_type: 'client_credentials', scope: 'api:read', resource: 'https://app.example' });
  check('client_credentials answers 200', m2m.status === 200, m2m);
  const verified = await jose.jwtVerify(m2m.body.access_token, jwks, { issuer: ISSUER, audience: 'https://app.example', typ: 'at+jwt' });
  check('the token is an RS256 at+jwt', verified.protectedHeader.alg === 'RS256');
  check('the service role is in it', verified.payload.role === 'service', verified.payload);
  const wrong = await post(metadata.token_endpoint, { ...M2M, secret: 'no' }, { grant_type: 'client_credentials' });
  check('a wrong secret is 401', wrong.status === 401, wrong);
  const elsewhere = await post(metadata.token_endpoint, M2M, { grant_type: 'client_credentials', resource: 'https://unknown.example' });
  check('an unknown resource is refused', elsewhere.body.error === 'invalid_target', elsewhere);

  const alice = await login('alice');
  check('alice signs in by the form', alice.tokens?.status === 200, alice.tokens);
  const access = await jose.jwtVerify(alice.tokens.body.access_token, jwks, { issuer: ISSUER, audience: 'https://app.example' });
  check('alice is a writer', access.payload.role === 'writer' && access.payload.scope.includes('api:write'), access.payload);
  const id = await jose.jwtVerify(alice.tokens.body.id_token, jwks, { issuer: ISSUER, audience: 'gateway-web' });
  check('the nonce comes back', id.payload.nonce === alice.request.nonce);
  check('the id token has a sid', typeof id.payload.sid === 'string', id.payload);
  const again = await post(metadata.token_endpoint, WEB, { grant_type: 'authorization_code', code: alice.answer.code, redirect_uri: REDIRECT, code_verifier: alice.request.verifier });
  check('a code works once', again.body.error === 'invalid_grant', again);

  const bob = await login('bob', { hint: true });
  check('bob signs in by login_hint', bob.tokens?.status === 200, bob.tokens);
  const bobAccess = jose.decodeJwt(bob.tokens.body.access_token);
  check('bob is a reader', bobAccess.role === 'reader' && !bobAccess.scope.includes('api:write'), bobAccess);
  const refreshed = await post(metadata.token_endpoint, WEB, { grant_type: 'refresh_token', refresh_token: bob.tokens.body.refresh_token });
  check('refresh works and rotates', refreshed.status === 200 && refreshed.body.refresh_token !== bob.tokens.body.refresh_token, refreshed);
  const reused = await post(metadata.token_endpoint, WEB, { grant_type: 'refresh_token', refresh_token: bob.tokens.body.refresh_token });
  check('a used refresh token is refused', reused.body.error === 'invalid_grant', reused);
  const family = await post(metadata.token_endpoint, WEB, { grant_type: 'refresh_token', refresh_token: refreshed.body.refresh_token });
  check('and its family with it', family.body.error === 'invalid_grant', family);

  const fresh = await login('bob', { hint: true });
  const before = await post(metadata.introspection_endpoint, RS, { token: fresh.tokens.body.refresh_token });
  check('introspection says active', before.body.active === true, before);
  const gone = await post(metadata.revocation_endpoint, WEB, { token: fresh.tokens.body.refresh_token });
  check('revocation answers 200', gone.status === 200, gone);
  const after = await post(metadata.introspection_endpoint, RS, { token: fresh.tokens.body.refresh_token });
  check('introspection says inactive', after.body.active === false, after);

  const noVerifier = authorizationRequest(metadata, { login_hint: 'bob' });
  const stop = await new Browser().follow(noVerifier.url, { stopAt: (u) => u.href.startsWith(REDIRECT) });
  const bad = await post(metadata.token_endpoint, WEB, { grant_type: 'authorization_code', code: stop.url.searchParams.get('code'), redirect_uri: REDIRECT, code_verifier: 'x'.repeat(43) });
  check('a wrong verifier is refused', bad.body.error === 'invalid_grant', bad);
  const bare = new URL(metadata.authorization_endpoint);
  bare.search = new URLSearchParams({ client_id: 'gateway-web', response_type: 'code', redirect_uri: REDIRECT, scope: 'openid', state: 's' });
  const refusal = await new Browser().follow(bare, { stopAt: (u) => u.href.startsWith(REDIRECT) });
  check('no PKCE, no code', refusal.url.searchParams.get('error') === 'invalid_request', refusal.url.href);
  const silent = await login('bob', { extra: { prompt: 'none' } });
  check('prompt=none without a session is login_required', silent.error?.error === 'login_required', silent.error);
  const denial = await new Browser().follow(authorizationRequest(metadata).url, { deny: true, stopAt: (u) => u.href.startsWith(REDIRECT) });
  check('the user may say no', denial.url.searchParams.get('error') === 'access_denied', denial.url.href);

  const end = new URL(metadata.end_session_endpoint);
  end.search = new URLSearchParams({ id_token_hint: alice.tokens.body.id_token, post_logout_redirect_uri: 'http://127.0.0.1:8080/', state: 'bye' });
  const out = await alice.browser.follow(end, { stopAt: (u) => u.host === '127.0.0.1:8080' });
  check('logout comes back to the client', out.url.href === 'http://127.0.0.1:8080/?state=bye', out.url.href);
  if (notices.length === 0) await once(listener, 'notice', { signal: AbortSignal.timeout(5000) });
  check('one back-channel notice came', notices.length === 1, notices.length);
  const notice = await jose.jwtVerify(notices[0], jwks, { issuer: ISSUER, audience: 'gateway-web', typ: 'logout+jwt' });
  check('it names the same session', notice.payload.sid === id.payload.sid, notice.payload);

  const minted = await hook('mint', { claims: { exp: '9999999999' }, header: { typ: 'JWT' }, omit: ['jti'] });
  check('mint signs anything', jose.decodeJwt(minted.token).exp === '9999999999');
  await hook('fault', { path: '/jwks', mode: 'status', status: 503, count: 1 });
  check('a fault is served once', (await fetch(metadata.jwks_uri)).status === 503 && (await fetch(metadata.jwks_uri)).status === 200);
  const refuse = async (bend, wanted) => {
    await hook('tamper', { path: '/token', token: 'id_token', count: 1, ...bend });
    const bent = await login('bob', { hint: true });
    return jose.jwtVerify(bent.tokens.body.id_token, jwks, { issuer: ISSUER, audience: 'gateway-web', algorithms: ['RS256'] }).then(() => 'accepted', (e) => e.code).then((code) => code === wanted || code);
  };
  check('tamper: another issuer', (await refuse({ claims: { iss: 'https://evil.example' } }, 'ERR_JWT_CLAIM_VALIDATION_FAILED')) === true);
  check('tamper: a stranger signs', (await refuse({ sign: 'other' }, 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED')) === true);
  check('tamper: alg none', (await refuse({ sign: 'none' }, 'ERR_JOSE_ALG_NOT_ALLOWED')) === true);
  check('tamper: HS256 with the public key', (await refuse({ sign: 'hs256-public' }, 'ERR_JOSE_ALG_NOT_ALLOWED')) === true);
  check('tamper: a bit of the signature', (await refuse({ sign: 'corrupt' }, 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED')) === true);
  await hook('tamper', { path: '/.well-known/openid-configuration', merge: { issuer: 'https://evil.example' }, count: 1 });
  check('tamper: discovery names another issuer', (await discover()).issuer === 'https://evil.example');
  const old = (await (await fetch(metadata.jwks_uri)).json()).keys.map((k) => k.kid);
  const rotated = await hook('rotate', { keepOld: false });
  check('rotation drops the old keys', !rotated.kids.some((k) => old.includes(k)), rotated);
  const later = await login('alice', { hint: true });
  check('sign-in works after rotation', later.tokens?.status === 200 && rotated.kids.includes(jose.decodeProtectedHeader(later.tokens.body.id_token).kid), later.tokens);
  await hook('disable', { user: 'alice' });
  const locked = await post(metadata.token_endpoint, WEB, { grant_type: 'refresh_token', refresh_token: later.tokens.body.refresh_token });
  check('a disabled user cannot refresh', locked.body.error === 'invalid_grant', locked);
  const logout = await hook('backchannel', { claims: { sub: 'u-bob-0002', nonce: 'x' }, header: { typ: 'JWT' }, url: noticed });
  check('a bent logout token can be sent', logout.status === 200 && notices.length === 2, logout);
} catch (error) {
  failed += 1;
  console.log('stopped:', error);
} finally {
  server.kill();
  listener.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
