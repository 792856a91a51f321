// A loopback OpenID provider for tests. Nothing here is fit for production:
// secrets are in the source, and /_test/* lets anyone sign anything.
import { createServer } from 'node:http';
import { createHmac, createPublicKey, randomUUID } from 'node:crypto';
import { createLocalJWKSet, exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT, CompactSign } from 'jose';
import { Provider } from 'oidc-provider';

const env = process.env;
const HOST = env.IDP_HOST ?? '127.0.0.1';
const PORT = Number(env.IDP_PORT ?? 9400);
// With IDP_PORT=0 the port, and so the issuer, is known only once the server listens.
let ISSUER = env.IDP_ISSUER ?? `http://${HOST}:${PORT}`;
const RESOURCE = env.IDP_RESOURCE ?? 'https://app.example';
const list = (value, fallback) => (value ? value.split(',') : fallback);
const seconds = (name, fallback) => Number(env[name] ?? fallback);

const USERS = {
  alice: { sub: 'u-alice-0001', name: 'Alice Writer', email: 'alice@example.test', role: 'writer' },
  bob: { sub: 'u-bob-0002', name: 'Bob Reader', email: 'bob@example.test', role: 'reader' },
};
const bySub = (sub) => Object.values(USERS).find((u) => u.sub === sub);
const disabled = new Set();

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const clients = [
  {
    client_id: 'gateway-web',
    client_secret: env.IDP_WEB_SECRET ?? 'gateway-web-secret-0123456789abcdef',
    grant_types: ['authorization_code', 'refresh_token', EXCHANGE],
    response_types: ['code'],
    redirect_uris: list(env.IDP_REDIRECT_URIS, [
      'http://127.0.0.1:8080/oauth2/callback',
      'https://127.0.0.1:8443/oauth2/callback',
      'https://app.example/oauth2/callback',
    ]),
    post_logout_redirect_uris: list(env.IDP_POST_LOGOUT_URIS, [
      'http://127.0.0.1:8080/',
      'https://app.example/',
    ]),
    token_endpoint_auth_method: env.IDP_WEB_JWKS ? 'private_key_jwt' : (env.IDP_WEB_AUTH ?? 'client_secret_basic'),
    id_token_signed_response_alg: env.IDP_ID_ALG ?? 'RS256',
    ...(env.IDP_WEB_JWKS && { jwks: JSON.parse(env.IDP_WEB_JWKS), token_endpoint_auth_signing_alg: 'ES256' }),
    ...(env.IDP_BACKCHANNEL_URI && {
      backchannel_logout_uri: env.IDP_BACKCHANNEL_URI,
      backchannel_logout_session_required: true,
    }),
  },
  {
    client_id: 'm2m-worker',
    client_secret: env.IDP_M2M_SECRET ?? 'm2m-worker-secret-0123456789abcdef',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: 'client_secret_basic',
  },
  {
    // What the gateway uses to call introspection as a resource server.
    client_id: 'gateway-rs',
    client_secret: env.IDP_RS_SECRET ?? 'gateway-rs-secret-0123456789abcdef',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: 'client_secret_basic',
  },
];

async function newKey(alg) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: `${alg.toLowerCase()}-${randomUUID().slice(0, 8)}` };
}

function configuration(keys) {
  return {
    clients,
    jwks: { keys },
    cookies: { keys: ['test-cookie-key-not-a-secret'] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'role'] },
    scopes: ['openid', 'offline_access', 'email', 'profile'],
    conformIdTokenClaims: false,
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256'] },
    responseTypes: ['code'],
    pkce: { required: () => true },
    clientBasedCORS: () => false,
    // The library refuses to call special-use addresses; here they are all there is.
    fetch: (url, { dispatcher: _guard, ...options }) => globalThis.fetch(url, options),
    // expiresWithSession false means a token outlives the provider's own session
    expiresWithSession: () => false,
    rotateRefreshToken: env.IDP_ROTATE_REFRESH !== '0',
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    ttl: {
      AccessToken: seconds('IDP_ACCESS_TTL', 300),
      ClientCredentials: seconds('IDP_ACCESS_TTL', 300),
      AuthorizationCode: seconds('IDP_CODE_TTL', 60),
      IdToken: seconds('IDP_ID_TTL', 300),
      RefreshToken: seconds('IDP_REFRESH_TTL', 3600),
      Interaction: 600,
      Session: seconds('IDP_SESSION_TTL', 3600),
      Grant: seconds('IDP_REFRESH_TTL', 3600),
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true, allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId },
      introspection: {
        enabled: true,
        allowedPolicy: async (_ctx, client, token) => client.clientId === 'gateway-rs' || token.clientId === client.clientId,
      },
      backchannelLogout: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: async (ctx, form) => {
          ctx.body = `<!doctype html><title>logout</title>${form}
<button type="submit" form="op.logoutForm" name="logout" value="yes">Log out</button>`;
        },
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: async () => (env.IDP_DEFAULT_RESOURCE === '0' ? undefined : RESOURCE),
        useGrantedResource: async () => true,
        getResourceServerInfo: async (_ctx, resource) => {
          if (resource !== RESOURCE && resource !== 'https://other.example') {
            const { errors } = await import('oidc-provider');
            throw new errors.InvalidTarget();
          }
          return {
            scope: 'api:read api:write api:admin',
            audience: resource,
            accessTokenTTL: seconds('IDP_ACCESS_TTL', 300),
            accessTokenFormat: env.IDP_OPAQUE === '1' ? 'opaque' : 'jwt',
            jwt: { sign: { alg: env.IDP_ACCESS_ALG ?? 'RS256' } },
          };
        },
      },
    },
    extraTokenClaims: async (_ctx, token) => {
      const user = token.accountId && bySub(token.accountId);
      if (user) return { role: user.role, email: user.email };
      return token.clientId === 'm2m-worker' ? { role: 'service' } : undefined;
    },
    findAccount: async (_ctx, sub) => {
      const user = bySub(sub);
      if (!user || disabled.has(sub)) return undefined;
      return { accountId: sub, claims: async () => ({ ...user, email_verified: true }) };
    },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    renderError: async (ctx, out) => {
      ctx.type = 'json';
      ctx.body = out;
    },
  };
}

let keys = [await newKey('RS256'), await newKey('ES256')];
let provider;
let handler;
// Token exchange (RFC 8693), which the library does not have: for `orders` and `stock`, and with the scopes asked for.
async function exchange(ctx) {
  const { InvalidGrant, InvalidTarget, InvalidRequest } = (await import('oidc-provider')).errors;
  const { params, client } = ctx.oidc;
  const kind = 'urn:ietf:params:oauth:token-type:access_token';
  if (params.subject_token_type !== kind) throw new InvalidRequest('an access token is wanted');
  let sub = (await provider.AccessToken.find(params.subject_token))?.accountId;
  if (!sub) {
    const set = createLocalJWKSet({ keys: keys.map(({ d, p, q, dp, dq, qi, ...open }) => open) });
    const { payload } = await jwtVerify(params.subject_token, set, { issuer: ISSUER }).catch(() => ({}));
    sub = payload?.sub;
  }
  if (!sub || disabled.has(sub)) throw new InvalidGrant('nobody has this token');
  const audience = params.audience ?? params.resource;
  if (audience && !['orders', 'stock', 'https://orders.internal/'].includes(audience)) throw new InvalidTarget();
  const { jwk, key } = await privateKey();
  const expires = seconds('IDP_ACCESS_TTL', 300);
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: ISSUER, aud: audience, sub, client_id: client.clientId, scope: params.scope, iat: now, exp: now + expires, jti: randomUUID() };
  const token = await new SignJWT(claims).setProtectedHeader({ alg: jwk.alg, kid: jwk.kid, typ: 'at+jwt' }).sign(key);
  ctx.body = { access_token: token, issued_token_type: kind, token_type: 'Bearer', expires_in: expires, scope: params.scope };
}
function build() {
  provider = new Provider(ISSUER, configuration(keys));
  const asked = ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'resource', 'scope'];
  provider.registerGrantType(EXCHANGE, exchange, asked);
  handler = provider.callback();
  for (const name of ['server_error', 'backchannel.error']) {
    provider.on(name, (_ctx, error) => console.error(`${name}: ${error.message}`, error.cause ?? ''));
  }
}

// ---- helpers -------------------------------------------------------------
const readBody = (req) => new Promise((resolve, reject) => {
  const parts = [];
  req.on('data', (p) => parts.push(p)).on('end', () => resolve(Buffer.concat(parts).toString())).on('error', reject);
});
const json = (res, status, value) => {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  res.end(JSON.stringify(value));
};

// Log in and consent. A login_hint of alice or bob needs no page at all.
async function interaction(req, res, url) {
  const details = await provider.interactionDetails(req, res);
  const { prompt, params, session, uid } = details;
  let name = USERS[params.login_hint] ? params.login_hint : undefined;
  if (req.method === 'POST') {
    const form = new URLSearchParams(await readBody(req));
    if (form.has('deny')) {
      return provider.interactionFinished(req, res, { error: 'access_denied', error_description: 'the user said no' }, { mergeWithLastSubmission: false });
    }
    name = form.get('login') ?? name;
  }
  if (prompt.name === 'login') {
    const user = USERS[name];
    if (!user || disabled.has(user.sub)) {
      res.writeHead(200, { 'content-type': 'text/html' });
      res.end(`<!doctype html><title>Test sign-in</title><h1>Sign in</h1><form method="post" action="/interaction/${uid}">
${Object.keys(USERS).map((u) => `<button name="login" value="${u}">${u}</button>`).join('\n')}
<button name="deny" value="1">Deny</button></form>`);
      return undefined;
    }
    return provider.interactionFinished(req, res, { login: { accountId: user.sub, acr: 'urn:test:pwd', amr: ['pwd'] } }, { mergeWithLastSubmission: false });
  }
  const grant = details.grantId
    ? await provider.Grant.find(details.grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
    const role = bySub(session.accountId)?.role;
    const allowed = scopes.filter((s) => role === 'writer' || s === 'api:read');
    grant.addResourceScope(resource, allowed.join(' '));
    grant.rejectResourceScope?.(resource, scopes.filter((s) => !allowed.includes(s)).join(' '));
  }
  return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

// Fault injection: path -> {mode, ms, count}. Modes: status, hang, slow, garbage, reset.
const faults = new Map();
async function maybeFault(req, res, path) {
  const fault = faults.get(path);
  if (!fault) return false;
  if (fault.count !== undefined && fault.count-- <= 0) {
    faults.delete(path);
    return false;
  }
  if (fault.mode === 'slow') {
    await new Promise((r) => setTimeout(r, fault.ms ?? 3000));
    return false;
  }
  if (fault.mode === 'reset') req.socket.destroy();
  else if (fault.mode === 'garbage') {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end('{"keys": [');
  } else if (fault.mode === 'status') json(res, fault.status ?? 500, { error: 'server_error' });
  // hang: answer nothing at all
  return true;
}

// Tampering: the next answers of an endpoint are bent on their way out, so that a
// client can be checked against every fault the OpenID client tests name.
//   {path, merge: {...}}             overwrite members of the JSON answer
//   {path, token: 'id_token', header, claims, omit, sign}   re-sign a token in it
// sign: real (default), other (a key of ours that is not published), none,
// hs256-secret, hs256-public, corrupt.
const tampers = new Map();
const stranger = await newKey('RS256');
const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
async function resign(token, { header = {}, claims = {}, omit = [], sign = 'real' }) {
  const [h, p, s] = token.split('.');
  const oldHeader = JSON.parse(Buffer.from(h, 'base64url'));
  const newHeader = { ...oldHeader, ...header };
  const newClaims = { ...JSON.parse(Buffer.from(p, 'base64url')), ...claims };
  for (const name of omit) {
    delete newClaims[name];
    if (name.startsWith('header.')) delete newHeader[name.slice(7)];
  }
  if (sign === 'none') return `${b64({ ...newHeader, alg: 'none' })}.${b64(newClaims)}.`;
  if (sign === 'corrupt') return `${h}.${p}.${s.startsWith('A') ? 'B' : 'A'}${s.slice(1)}`;
  if (sign.startsWith('hs256')) {
    const jwk = keys.find((k) => k.kid === oldHeader.kid) ?? keys[0];
    const secret = sign === 'hs256-secret' ? clients[0].client_secret : createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
    const head = `${b64({ ...newHeader, alg: 'HS256' })}.${b64(newClaims)}`;
    return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
  }
  const jwk = sign === 'other' ? stranger : keys.find((k) => k.kid === oldHeader.kid) ?? keys[0];
  return new CompactSign(new TextEncoder().encode(JSON.stringify(newClaims)))
    .setProtectedHeader({ ...newHeader, alg: jwk.alg }).sign(await importJWK(jwk, jwk.alg));
}
function maybeTamper(res, path) {
  const tamper = tampers.get(path);
  if (!tamper) return;
  if (tamper.count !== undefined && tamper.count-- <= 0) {
    tampers.delete(path);
    return;
  }
  const end = res.end.bind(res);
  res.end = (chunk, ...rest) => {
    (async () => {
      let text = chunk === undefined ? '' : chunk.toString();
      try {
        const answer = { ...JSON.parse(text), ...tamper.merge };
        if (tamper.token && answer[tamper.token]) answer[tamper.token] = await resign(answer[tamper.token], tamper);
        text = JSON.stringify(answer);
        res.setHeader('content-length', Buffer.byteLength(text));
      } catch (error) {
        console.error('tamper:', error.message);
      }
      end(text, ...rest);
    })();
    return res;
  };
}

const counters = new Map();
const privateKey = async (kid) => {
  const jwk = keys.find((k) => k.kid === kid) ?? keys[0];
  return { jwk, key: await importJWK(jwk, jwk.alg) };
};

async function testHook(req, res, path) {
  const body = req.method === 'POST' ? JSON.parse((await readBody(req)) || '{}') : {};
  if (path === '/_test/counters') return json(res, 200, Object.fromEntries(counters));
  if (path === '/_test/fault') {
    if (body.mode) faults.set(body.path, body);
    else faults.clear();
    return json(res, 200, Object.fromEntries(faults));
  }
  if (path === '/_test/tamper') {
    if (body.path) tampers.set(body.path, body);
    else tampers.clear();
    return json(res, 200, Object.fromEntries(tampers));
  }
  if (path === '/_test/rotate') {
    // keepOld false: the old key is gone at once, as after a leak.
    const fresh = [await newKey('RS256'), await newKey('ES256')];
    keys = body.keepOld === false ? fresh : [...fresh, ...keys];
    build();
    return json(res, 200, { kids: keys.map((k) => k.kid) });
  }
  if (path === '/_test/disable') {
    const user = USERS[body.user];
    if (body.disabled === false) disabled.delete(user.sub);
    else disabled.add(user.sub);
    return json(res, 200, { disabled: [...disabled] });
  }
  if (path === '/_test/mint') {
    // Any header, any claims, signed by a real key of this issuer.
    const { jwk, key } = await privateKey(body.kid);
    const header = { alg: jwk.alg, kid: jwk.kid, typ: 'at+jwt', ...body.header };
    const now = Math.floor(Date.now() / 1000);
    const base = { iss: ISSUER, aud: RESOURCE, sub: USERS.alice.sub, client_id: 'gateway-web', iat: now, exp: now + 300, jti: randomUUID(), scope: 'api:read', role: 'writer' };
    const claims = { ...base, ...body.claims };
    for (const name of body.omit ?? []) delete claims[name];
    const payload = body.rawPayload ?? JSON.stringify(claims);
    const token = await new CompactSign(new TextEncoder().encode(payload)).setProtectedHeader(header).sign(key, { crit: { b64: true } });
    return json(res, 200, { token });
  }
  if (path === '/_test/backchannel') {
    // A logout token with any header or claims, posted to `url` when one is given.
    const { jwk, key } = await privateKey(body.kid);
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: ISSUER, aud: 'gateway-web', iat: now, exp: now + 120, jti: randomUUID(), events: { 'http://schemas.openid.net/event/backchannel-logout': {} }, ...body.claims };
    for (const name of body.omit ?? []) delete claims[name];
    let token = await new SignJWT(claims).setProtectedHeader({ alg: jwk.alg, kid: jwk.kid, typ: 'logout+jwt', ...body.header }).sign(key);
    if (body.sign) token = await resign(token, { sign: body.sign });
    if (!body.url) return json(res, 200, { token });
    const answer = await fetch(body.url, { method: 'POST', redirect: 'manual', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ logout_token: token }) });
    return json(res, 200, { token, status: answer.status, cacheControl: answer.headers.get('cache-control') });
  }
  return json(res, 404, { error: 'no such hook' });
}

const server = createServer(async (req, res) => {
  const url = new URL(req.url, ISSUER);
  const path = url.pathname;
  try {
    if (path === '/_test/health') return json(res, 200, { ok: true });
    if (path.startsWith('/_test/')) return await testHook(req, res, path);
    const label = `${req.method} ${path.replace(/^(\/auth|\/interaction)\/.*/, '$1/:uid')}`;
    if (env.IDP_DATE_SKEW) res.setHeader('date', new Date(Date.now() + 1000 * Number(env.IDP_DATE_SKEW)).toUTCString());
    counters.set(label, (counters.get(label) ?? 0) + 1);
    if (await maybeFault(req, res, path)) return undefined;
    maybeTamper(res, path);
    if (path.startsWith('/interaction/')) return await interaction(req, res, url);
    return handler(req, res);
  } catch (error) {
    if (!res.headersSent) json(res, 500, { error: String(error) });
    return undefined;
  }
});
server.listen(PORT, HOST, () => {
  const { port } = server.address();
  ISSUER = env.IDP_ISSUER ?? `http://${HOST}:${port}`;
  build();
  console.log(PORT === 0 ? JSON.stringify({ port, issuer: ISSUER }) : `test idp ready at ${ISSUER}`);
});
// Whoever started us is gone when our standard input ends: nothing is left running.
if (env.IDP_EXIT_WITH_STDIN === '1') process.stdin.on('end', () => process.exit(0)).resume();
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
