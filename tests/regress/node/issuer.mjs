// Two certified OpenID providers (oidc-provider) for the tests: loopback, everything in memory, any password.
//
// Arguments: PEOPLE_PORT PIPELINES_PORT. Prints `ready` once both listen. The first knows three people: authorization code
// with PKCE, refresh, device flow. The second stands for a CI system: claims of a job, and whatever audience the job asks
// for, as a client of that name. Not for use outside tests.
import { createServer } from 'node:http';
import { appendFileSync } from 'node:fs';
import { generateKeyPairSync, createHash } from 'node:crypto';
import Provider from 'oidc-provider';
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';

const [peoplePort, pipelinesPort] = process.argv.slice(2).map(Number);

const people = {
  alice: { name: 'Alice Example', email: 'alice@example.com', email_verified: true, groups: ['sre-team'] },
  bob: { name: 'Bob Example', email: 'bob@example.com', email_verified: true, groups: ['approvers-team'] },
  carol: { name: 'Carol Example', email: 'carol@example.com', email_verified: true, groups: ['auditors-team'] },
};

const pipelines = {
  build: {
    repository: 'example/app',
    repository_id: '4711',
    repository_owner: 'example',
    repository_owner_id: '1234',
    ref: 'refs/heads/main',
    event_name: 'push',
    environment: 'production',
    job_workflow_ref: 'example/app/.github/workflows/deploy.yml@refs/heads/main',
    run_id: '1001',
    run_attempt: '1',
    actor_id: '583231',
  },
  // The same project, as GitLab says it.
  gitlab: {
    project_id: '4711',
    project_path: 'example/app',
    namespace_id: '1234',
    ref: 'main',
    pipeline_source: 'push',
    environment: 'production',
    job_id: '2001',
  },
  // Somebody else's repository, at the same issuer.
  stranger: {
    repository: 'elsewhere/app',
    repository_id: '9999',
    repository_owner: 'elsewhere',
    repository_owner_id: '666',
    ref: 'refs/heads/main',
    event_name: 'push',
    environment: 'production',
    run_id: '1002',
  },
};

const jwk = (type, options, extra) => {
  const made = generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' });
  const kid = createHash('sha256').update(JSON.stringify(made)).digest('base64url').slice(0, 16);
  return { ...made, kid, use: 'sig', ...extra };
};

// A public client may not ask for anything that needs a secret; the loopback ports of `sallyport login` and of the bastion's page are open (RFC 8252).
const client = (id, more = {}) => ({
  client_id: id,
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['http://127.0.0.1/callback', 'http://127.0.0.1:7000/callback', 'http://127.0.0.1/sign-in/return'],
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
  ...more,
});

// The audience of a job's token is the client's name.
class AnyAudience extends MemoryAdapter {
  async find(id) {
    return this.model === 'Client' ? client(id) : super.find(id);
  }
}

const serve = (port, accounts, more) => {
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    jwks: {
      keys: [
        jwk('rsa', { modulusLength: 2048 }, { alg: 'RS256' }),
        jwk('ec', { namedCurve: 'P-256' }, { alg: 'ES256' }),
      ],
    },
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: true }, deviceFlow: { enabled: true } },
    pkce: { methods: ['S256'], required: () => true },
    cookies: { keys: ['only for tests'] },
    ttl: { AccessToken: 600, AuthorizationCode: 60, DeviceCode: 600, IdToken: 600, Grant: 3600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
    issueRefreshToken: async (_, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
    findAccount: (_, id) => accounts[id] && { accountId: id, claims: () => ({ sub: id, ...accounts[id] }) },
    ...more,
  });
  // What was handed out is a secret that no log may hold: SECRETS names the list that is looked for at the end.
  provider.on('grant.success', ({ body, oidc }) => {
    const used = [body.access_token, body.refresh_token, body.id_token, oidc.params.code, oidc.params.code_verifier, oidc.params.device_code];
    if (process.env.SECRETS) appendFileSync(process.env.SECRETS, used.filter(Boolean).map((one) => `${one.split('.').at(-1)}\n`).join(''));
  });
  return new Promise((done) => createServer(provider.callback()).listen(port, '127.0.0.1', done));
};

await serve(peoplePort, people, {
  clients: [client('sallyport'), client('another'), client('es256', { id_token_signed_response_alg: 'ES256' })],
  scopes: ['openid', 'offline_access', 'email', 'profile'],
  claims: { openid: ['sub', 'groups'], email: ['email', 'email_verified'], profile: ['name'] },
});
await serve(pipelinesPort, pipelines, {
  adapter: AnyAudience,
  claims: { openid: ['sub', ...new Set(Object.values(pipelines).flatMap(Object.keys))] },
});
console.log('ready');
