// A certified OpenID provider (oidc-provider) for the tests: loopback, everything in memory, any password.
//
// Arguments: PORT [CERTIFICATE KEY]. With a certificate it speaks HTTPS. Prints `ready` once it listens. Knows three
// people and a pipeline, the authorization code flow with PKCE, refresh and the device flow. Not for use outside tests.
import { createServer as http } from 'node:http';
import { createServer as https } from 'node:https';
import { generateKeyPairSync, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const [port, certificate, key] = process.argv.slice(2);
const origin = `${certificate ? 'https' : 'http'}://localhost:${port}`;

const people = {
  alice: { name: 'Alice Example', email: 'alice@example.com', email_verified: true, groups: ['sre-team'] },
  bob: { name: 'Bob Example', email: 'bob@example.com', email_verified: true, groups: ['approvers-team'] },
  carol: { name: 'Carol Example', email: 'carol@example.com', email_verified: true, groups: ['auditors-team'] },
  'pipeline:build': {
    name: 'build',
    groups: ['pipelines'],
    repository_id: '4711',
    repository_owner_id: '1234',
    repository: 'example/app',
    ref: 'refs/heads/main',
    event_name: 'push',
    environment: 'production',
    run_id: '1001',
    run_attempt: '1',
    job_workflow_ref: 'example/app/.github/workflows/deploy.yml@refs/heads/main',
  },
};

const jwk = (type, options, extra) => {
  const made = generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' });
  const kid = createHash('sha256').update(JSON.stringify(made)).digest('base64url').slice(0, 16);
  return { ...made, kid, use: 'sig', ...extra };
};

// A public client may not ask for anything that needs a secret; the loopback ports of `sallyport login` are open (RFC 8252).
const client = (id, more = {}) => ({
  client_id: id,
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['http://127.0.0.1/callback', 'http://127.0.0.1:7000/callback'],
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
  ...more,
});

const provider = new Provider(origin, {
  clients: [client('sallyport'), client('another'), client('es256', { id_token_signed_response_alg: 'ES256' })],
  jwks: {
    keys: [
      jwk('rsa', { modulusLength: 2048 }, { alg: 'RS256' }),
      jwk('ec', { namedCurve: 'P-256' }, { alg: 'ES256' }),
    ],
  },
  claims: {
    openid: ['sub', 'groups'],
    email: ['email', 'email_verified'],
    profile: ['name'],
    ci: Object.keys(people['pipeline:build']).filter((claim) => !['name', 'groups'].includes(claim)),
  },
  scopes: ['openid', 'offline_access', 'email', 'profile', 'ci'],
  conformIdTokenClaims: false,
  features: { devInteractions: { enabled: true }, deviceFlow: { enabled: true } },
  pkce: { methods: ['S256'], required: () => true },
  cookies: { keys: ['only for tests'] },
  ttl: { AccessToken: 600, AuthorizationCode: 60, DeviceCode: 600, IdToken: 600, Grant: 3600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
  issueRefreshToken: async (_, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
});

const server = certificate
  ? https({ cert: readFileSync(certificate), key: readFileSync(key) }, provider.callback())
  : http(provider.callback());
server.listen(Number(port), 'localhost', () => console.log('ready'));
