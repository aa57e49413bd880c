"""What secrets look like, from what their issuers and file formats publish. Imports nothing of Sallyport's rules.

Each kind is a function of a random source; it returns text in which SECRET stands between OPEN and CLOSE. No value is
written here whole: all are drawn when the program runs, and prefixes are put together from pieces, so that a scanner of
this repository finds nothing.
"""

import base64
import json
import string
import zlib

OPEN, CLOSE = "\x01", "\x02"
LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
ALNUM = UPPER + LOWER + DIGITS
HEX = DIGITS + "abcdef"
URLSAFE = ALNUM + "-_"
B32 = UPPER + "234567"

KINDS = {}


def kind(group):
    """Registers a kind under its function's name."""

    def add(make):
        KINDS[make.__name__.replace("_", "-")] = (group, make)
        return make

    return add


def s(secret):
    return OPEN + secret + CLOSE


def draw(r, alphabet, count):
    """So many characters, with a digit, a capital and a small letter among the first where the alphabet has them."""
    while True:
        text = "".join(r.choice(alphabet) for _ in range(count))
        wanted = [set(some) & set(alphabet) for some in (UPPER, LOWER, DIGITS)]
        if count < 8 or all(not some or some & set(text) for some in wanted):
            return text


def password(r, least=8, most=16):
    """As people and generators choose them: letters, digits, some signs; nothing that a shell or URL would need quoted."""
    return draw(r, ALNUM, r.randint(least, most) - 2) + r.choice("!%^*=+-_.") + r.choice(DIGITS)


def b64(data):
    return base64.b64encode(data).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def neutral(r, token, prefix=""):
    """A token in surroundings that do not give it away. Its public prefix is no secret."""
    return r.choice(
        [
            "{}",
            "value {}",
            "got {} from the store",
            "[info] using {} for this run",
            "x: {}",
            "<li>{}</li>",
            "`{}`",
            "copied '{}' to the clipboard",
            "id={}&next=1",
            '{{"v":"{}"}}',
            "12:01:44 worker[3]: {} ok",
        ]
    ).format(prefix + s(token))


def token(group, name, *prefixes, body):
    """A kind whose value says itself what it is."""

    def make(r):
        prefix = r.choice(prefixes)
        return neutral(r, body(r), prefix)

    make.__name__ = name
    kind(group)(make)


def of(alphabet, *counts):
    return lambda r: draw(r, alphabet, r.choice(counts))


def base62(number, width):
    digits = DIGITS + UPPER + LOWER
    out = ""
    while number:
        number, rest = divmod(number, 62)
        out = digits[rest] + out
    return out.rjust(width, "0")


def github_body(prefix):
    """30 random characters and their CRC-32 in base62 (GitHub, "Behind GitHub's new authentication token formats")."""

    def body(r):
        random = draw(r, ALNUM, 30)
        return random + base62(zlib.crc32(random.encode()), 6)

    return lambda r: neutral(r, body(r), prefix)


for letter in "pousr":
    make = github_body("gh" + letter + "_")
    make.__name__ = "github_gh" + letter
    kind("token")(make)

token("token", "github_fine_grained", "github" + "_pat_", body=lambda r: draw(r, ALNUM, 22) + "_" + draw(r, ALNUM, 59))
token("token", "gitlab_pat", "gl" + "pat-", body=of(URLSAFE, 20))
token("token", "gitlab_deploy", "gl" + "dt-", body=of(URLSAFE, 20))
token("token", "gitlab_runner", "gl" + "rt-", body=of(URLSAFE, 20))
token("token", "aws_access_key_id", "AK" + "IA", "AS" + "IA", body=of(B32, 16))
token("token", "slack_bot", "xo" + "xb-", body=lambda r: f"{draw(r, DIGITS, 12)}-{draw(r, DIGITS, 13)}-{draw(r, ALNUM, 24)}")
token("token", "slack_user", "xo" + "xp-", body=lambda r: "-".join([draw(r, DIGITS, 12)] * 3) + "-" + draw(r, HEX, 32))
token("token", "slack_app", "xa" + "pp-", body=lambda r: f"1-A{draw(r, UPPER + DIGITS, 10)}-{draw(r, DIGITS, 13)}-{draw(r, HEX, 64)}")
token("token", "stripe_live", "sk" + "_live_", "rk" + "_live_", body=of(ALNUM, 24, 99))
token("token", "stripe_test", "sk" + "_test_", body=of(ALNUM, 24))
token("token", "stripe_webhook", "wh" + "sec_", body=of(ALNUM, 32))
token("token", "google_api_key", "AI" + "za", body=of(URLSAFE, 35))
token("token", "google_oauth_access", "ya" + "29.", body=lambda r: "a0A" + draw(r, URLSAFE, 120))
token("token", "google_client_secret", "GO" + "CSPX-", body=of(URLSAFE, 28))
token("token", "npm", "np" + "m_", body=of(ALNUM, 36))
token("token", "pypi", "py" + "pi-AgEIcHlwaS5vcmc", body=of(URLSAFE, 140))
token("token", "rubygems", "ruby" + "gems_", body=of(HEX, 48))
token("token", "nuget", "oy" + "2", body=of(LOWER + DIGITS, 43))
token("token", "dockerhub_pat", "dckr" + "_pat_", body=of(URLSAFE, 27))
token("token", "digitalocean", "do" + "p_v1_", "do" + "o_v1_", body=of(HEX, 64))
token("token", "sendgrid", "S" + "G.", body=lambda r: draw(r, URLSAFE, 22) + "." + draw(r, URLSAFE, 43))
token("token", "twilio_key", "S" + "K", body=of(HEX, 32))
token("token", "mailchimp", "", body=lambda r: draw(r, HEX, 32) + "-us" + str(r.randint(1, 21)))
token("token", "telegram_bot", "", body=lambda r: draw(r, DIGITS[1:], 9) + ":AA" + draw(r, URLSAFE, 33))
token("token", "discord_bot", "", body=lambda r: b64url(draw(r, DIGITS[1:], 18).encode()) + "." + draw(r, URLSAFE, 6) + "." + draw(r, URLSAFE, 38))
token("token", "openai_project", "sk-" + "proj-", body=lambda r: draw(r, URLSAFE, 74) + "T3Bl" + "bkFJ" + draw(r, URLSAFE, 74))
token("token", "openai_legacy", "sk" + "-", body=lambda r: draw(r, ALNUM, 20) + "T3Bl" + "bkFJ" + draw(r, ALNUM, 20))
token("token", "anthropic", "sk-" + "ant-api03-", body=lambda r: draw(r, URLSAFE, 93) + "AA")
token("token", "huggingface", "h" + "f_", body=of(UPPER + LOWER, 34))
token("token", "groq", "gs" + "k_", body=of(ALNUM, 52))
token("token", "replicate", "r8" + "_", body=of(ALNUM, 37))
token("token", "vault_service", "hv" + "s.", body=of(URLSAFE, 90))
token("token", "vault_batch", "hv" + "b.", body=of(URLSAFE, 140))
token("token", "grafana_service", "gl" + "sa_", body=lambda r: draw(r, ALNUM, 32) + "_" + draw(r, HEX, 8))
token("token", "grafana_cloud", "gl" + "c_", body=lambda r: b64(json.dumps({"o": "123456", "n": "x", "k": draw(r, ALNUM, 24)}).encode()))
token("token", "sentry_user", "sntry" + "u_", body=of(HEX, 64))
token("token", "pulumi", "pu" + "l-", body=of(HEX, 40))
token("token", "terraform_cloud", "", body=lambda r: draw(r, ALNUM, 14) + ".atlas" + "v1." + draw(r, ALNUM, 67))
token("token", "tailscale", "ts" + "key-auth-", body=lambda r: "k" + draw(r, ALNUM, 11) + "CNTRL-" + draw(r, ALNUM, 32))
token("token", "databricks", "da" + "pi", body=of(HEX, 32))
token("token", "atlassian", "AT" + "ATT3xFfGF0", body=lambda r: draw(r, URLSAFE, 180) + "=" + draw(r, DIGITS + "ABCDEF", 8))
token("token", "shopify", "shp" + "at_", "shp" + "ss_", body=of(HEX, 32))
token("token", "linear", "lin" + "_api_", body=of(ALNUM, 40))
token("token", "postman", "PM" + "AK-", body=lambda r: draw(r, HEX, 24) + "-" + draw(r, HEX, 34))
token("token", "new_relic", "NR" + "AK-", body=of(UPPER + DIGITS, 27))
token("token", "doppler", "dp" + ".pt.", body=of(ALNUM, 43))
token("token", "artifactory", "AK" + "Cp", body=of(ALNUM, 69))
token("token", "age_identity", "AGE-" + "SECRET-KEY-1", body=of("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58))
token("token", "azure_client_secret", "", body=lambda r: draw(r, ALNUM, 3) + "8Q~" + draw(r, ALNUM + "_.-~", 34))
token("token", "password_hash_bcrypt", "$2b" + "$12$", body=of(ALNUM + "./", 53))
token("token", "password_hash_sha512", "$6" + "$", body=lambda r: draw(r, ALNUM, 16) + "$" + draw(r, ALNUM + "./", 86))
token("token", "password_hash_argon2", "$argon2id" + "$v=19$m=65536,t=3,p=4$", body=lambda r: draw(r, ALNUM, 22) + "$" + draw(r, ALNUM, 43))


@kind("token")
def jwt(r):
    header = r.choice(['{"alg":"HS256","typ":"JWT"}', '{"typ":"JWT","alg":"RS256","kid":"k1"}'])
    body = {"sub": draw(r, DIGITS, 10), "name": draw(r, LOWER, 8), "iat": r.randint(1500000000, 1900000000)}
    parts = [header.encode(), json.dumps(body).encode(), r.randbytes(r.choice([32, 64]))]
    return neutral(r, ".".join(map(b64url, parts)))


@kind("url")
def slack_webhook(r):
    path = f"T{draw(r, UPPER + DIGITS, 10)}/B{draw(r, UPPER + DIGITS, 10)}/{draw(r, ALNUM, 24)}"
    return "post to https://hooks.slack" + ".com/services/" + s(path)


@kind("url")
def discord_webhook(r):
    return "https://discord.com/api/web" + "hooks/" + s(draw(r, DIGITS[1:], 18) + "/" + draw(r, URLSAFE, 68))


@kind("url")
def url_password(r):
    scheme = r.choice(["postgres", "postgresql", "mysql", "mongodb+srv", "redis", "amqp", "https", "ftp"])
    user = r.choice(["app", "root", "ci-bot", ""]) if scheme == "redis" else r.choice(["app", "root", "ci-bot"])
    value = draw(r, ALNUM, 12) + r.choice(["%40", "!", "-", "_"]) + draw(r, DIGITS, 2)
    return f"{r.choice(['', 'DATABASE_URL=', 'connecting to ', 'url: '])}{scheme}://{user}:{s(value)}@db-1.internal:5432/app"


@kind("url")
def git_remote(r):
    return f"origin\thttps://oauth2:{s(draw(r, ALNUM, 20))}@git.example.org/team/app.git (fetch)"


@kind("url")
def azure_sas(r):
    sig = b64(r.randbytes(32)).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    return f"https://acc.blob.core.windows.net/c/f?sv=2022-11-02&se=2026-12-01T00%3A00%3A00Z&sr=b&sp=r&sig={s(sig)}"


@kind("url")
def query_token(r):
    return f"GET /v1/items?access_token={s(draw(r, ALNUM, 32))}&page=2 HTTP/1.1"


@kind("connection")
def ado_connection_string(r):
    name = r.choice(["Password", "Pwd", "PWD", "password"])
    return f"Server=tcp:sql-1.example.org,1433;Database=app;User ID=app;{name}={s(password(r))};Encrypt=True;"


@kind("connection")
def azure_storage(r):
    return f"DefaultEndpointsProtocol=https;AccountName=acc;AccountKey={s(b64(r.randbytes(64)))};EndpointSuffix=core.windows.net"


@kind("connection")
def azure_service_bus(r):
    return f"Endpoint=sb://a.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={s(b64(r.randbytes(32)))}"


@kind("connection")
def libpq_dsn(r):
    return f"host=db-1 port=5432 dbname=app user=app password={s(password(r))} sslmode=require"


@kind("connection")
def jdbc(r):
    return f"jdbc:postgresql://db-1:5432/app?user=app&password={s(draw(r, ALNUM, 14))}&ssl=true"


@kind("header")
def authorization_bearer(r):
    return f"{r.choice(['Authorization', 'authorization', '> Authorization'])}: Bearer {s(draw(r, URLSAFE, 40))}"


@kind("header")
def authorization_basic(r):
    return f"Authorization: Basic {s(b64(('app:' + password(r)).encode()))}"


@kind("header")
def authorization_token(r):
    return f"Authorization: {r.choice(['token', 'Token'])} {s(draw(r, HEX, 40))}"


@kind("header")
def api_key_header(r):
    return f"{r.choice(['X-Api-Key', 'x-api-key', 'X-Auth-Token', 'X-Vault-Token', 'PRIVATE-TOKEN'])}: {s(draw(r, ALNUM, 32))}"


@kind("header")
def curl_header(r):
    return f"curl -sS -H 'Authorization: Bearer {s(draw(r, URLSAFE, 43))}' https://api.example.org/v1/me"


@kind("header")
def cookie_session(r):
    return f"Set-Cookie: session_token={s(draw(r, ALNUM, 40))}; Path=/; HttpOnly"


NAMES = ["DB_PASSWORD", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "ADMIN_PASSWD", "SMTP_PASSWORD", "APP_PASSPHRASE"]
SECRETS = ["SECRET_KEY", "CLIENT_SECRET", "API_KEY", "AUTH_TOKEN", "JWT_SECRET", "SESSION_SECRET", "DD_API_KEY", "ENCRYPTION_KEY"]


@kind("assignment")
def shell_password(r):
    name = r.choice(NAMES)
    return r.choice(["export {}={}", "{}={}", "{}='{}'", 'export {}="{}"', "declare -x {}=\"{}\""]).format(name, s(password(r)))


@kind("assignment")
def shell_secret(r):
    name = r.choice(SECRETS)
    return r.choice(["export {}={}", "{}={}", "{}='{}'", 'export {}="{}"']).format(name, s(draw(r, ALNUM, r.randint(24, 48))))


@kind("assignment")
def hex_secret(r):
    return f"{r.choice(SECRETS)}={s(draw(r, HEX, r.choice([32, 64])))}"


@kind("assignment")
def yaml_password(r):
    return f"database:\n  user: app\n  password: {r.choice(['{}', chr(34) + '{}' + chr(34)]).format(s(password(r)))}\n  pool: 5"


@kind("assignment")
def yaml_secret(r):
    name = r.choice(["client_secret", "api_key", "secret_key", "auth_token", "clientSecret", "apiKey"])
    return f"oauth:\n  id: app\n  {name}: {s(draw(r, ALNUM, 32))}"


@kind("assignment")
def json_password(r):
    name = r.choice(["password", "dbPassword", "passwd", "Password"])
    return json.dumps({"user": "app", name: "@", "port": 5432}).replace("@", s(password(r)))


@kind("assignment")
def json_secret(r):
    name = r.choice(["client_secret", "apiKey", "access_token", "refresh_token", "secret"])
    return json.dumps({"id": "app", name: "@", "expires_in": 3600}).replace("@", s(draw(r, URLSAFE, 40)))


@kind("assignment")
def toml_password(r):
    return f'[database]\nuser = "app"\npassword = "{s(password(r))}"\n'


@kind("assignment")
def ini_password(r):
    return f"[mysqld]\nuser = app\npassword = {s(password(r))}\nport = 3306"


@kind("assignment")
def properties_password(r):
    return f"spring.datasource.username=app\nspring.datasource.password={s(password(r))}\n"


@kind("assignment")
def aws_secret_key(r):
    name = r.choice(["aws_secret_access_key = ", "AWS_SECRET_ACCESS_KEY=", '"SecretAccessKey": "'])
    return name + s(draw(r, ALNUM + "+/", 40)) + ('"' if name.endswith('"') else "")


@kind("assignment")
def aws_session_token(r):
    return "AWS_SESSION_TOKEN=" + s(b64(r.randbytes(r.choice([150, 240]))))


@kind("assignment")
def password_sentence(r):
    return f"{r.choice(['Your new password is', 'temporary password:', 'Password:'])} {s(password(r, 10))}"


@kind("command")
def mysql_p(r):
    return f"mysql -u root -p{s(password(r))} -h db-1 app < dump.sql"


@kind("command")
def password_flag(r):
    program = r.choice(["docker login -u ci", "helm repo add x https://c.example.org --username ci", "mongo --username a"])
    return f"{program} --password{r.choice([' ', '='])}{s(password(r))} registry.example.org"


@kind("command")
def token_flag(r):
    return f"{r.choice(['vault login', 'gh-tool', 'deploy'])} --token{r.choice([' ', '='])}{s(draw(r, ALNUM, 32))} --yes"


@kind("command")
def curl_user(r):
    return f"curl -u {r.choice(['ci', 'admin'])}:{s(password(r))} https://nexus.example.org/repository/"


@kind("command")
def pgpassword(r):
    return f"PGPASSWORD={s(password(r))} psql -h db-1 -U app app"


@kind("command")
def sshpass(r):
    return f"sshpass -p {r.choice(['{}', chr(39) + '{}' + chr(39)]).format(s(password(r)))} ssh root@10.0.0.4 uptime"


@kind("command")
def sql_password(r):
    return r.choice(["CREATE USER app IDENTIFIED BY '{}';", "ALTER ROLE app WITH PASSWORD '{}';", "ALTER USER 'a'@'%' IDENTIFIED BY '{}';"]).format(s(password(r)))


@kind("command")
def redis_auth(r):
    return f"redis-cli -h cache-1 -a {s(draw(r, ALNUM, 20))} ping"


def pem(r, label, size=300):
    body = b64(r.randbytes(size))
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return f"-----BEGIN {label}-----\n" + "\n".join(s(line) for line in lines) + f"\n-----END {label}-----"


for name, label, size in [
    ("pem_pkcs8", "PRIVATE" + " KEY", 300),
    ("pem_rsa", "RSA PRIVATE" + " KEY", 300),
    ("pem_ec", "EC PRIVATE" + " KEY", 120),
    ("pem_encrypted", "ENCRYPTED PRIVATE" + " KEY", 300),
    ("openssh_key", "OPENSSH PRIVATE" + " KEY", 280),
]:
    make = lambda r, label=label, size=size: pem(r, label, size)
    make.__name__ = name
    kind("file")(make)


@kind("file")
def putty_key(r):
    lines = "\n".join(s(b64(r.randbytes(48))) for _ in range(3))
    public = "\n".join(b64(r.randbytes(48)) for _ in range(2))
    head = "PuTTY-User-Key-" + "File-3: ssh-ed25519\nEncryption: none\nComment: me\nPublic-Lines: 2\n"
    return head + f"{public}\nPrivate-Lines: 3\n{lines}\nPrivate-MAC: {draw(r, HEX, 64)}"


@kind("file")
def gcp_service_account(r):
    body = b64(r.randbytes(400))
    lines = "\\n".join(s(body[at : at + 64]) for at in range(0, len(body), 64))
    return (
        '{\n  "type": "service_account",\n  "project_id": "app-1",\n  "private_key_id": "' + draw(r, HEX, 40) + '",\n'
        '  "private_key": "-----BEGIN PRIVATE' + " KEY-----\\n" + lines + '\\n-----END PRIVATE KEY-----\\n",\n'
        '  "client_id": "1234567890"\n}'
    )


@kind("file")
def kubeconfig(r):
    return (
        "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    certificate-authority-data: "
        + b64(b"-----BEGIN CERTIFICATE-----\n" + r.randbytes(60))
        + "\nusers:\n- name: a\n  user:\n    client-key-data: "
        + s(b64(b"-----BEGIN RSA PRIVATE" + b" KEY-----\n" + b64(r.randbytes(200)).encode()))
    )


@kind("file")
def kubeconfig_token(r):
    return f"users:\n- name: a\n  user:\n    token: {s(draw(r, URLSAFE, 64))}"


@kind("file")
def kubernetes_secret(r):
    value = b64(password(r, 14, 20).encode())
    return f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ntype: Opaque\ndata:\n  password: {s(value)}"


@kind("file")
def kubernetes_secret_json(r):
    value = b64(password(r, 14, 20).encode())
    return f'{{\n    "apiVersion": "v1",\n    "data": {{\n        "note": "{s(value)}"\n    }},\n    "kind": "Secret"\n}}'


@kind("file")
def pgpass(r):
    return f"db-1.example.org:5432:app:app:{s(password(r))}"


@kind("file")
def netrc(r):
    return r.choice(["machine api.example.org login ci password {}", "machine api.example.org\n  login ci\n  password {}\n"]).format(s(password(r)))


@kind("file")
def aws_credentials(r):
    return f"[default]\naws_access_key_id = {s('AK' + 'IA' + draw(r, B32, 16))}\naws_secret_access_key = {s(draw(r, ALNUM + '+/', 40))}\n"


@kind("file")
def npmrc(r):
    return f"//registry.example.org/:_authToken={s(draw(r, ALNUM, 36))}"


@kind("file")
def docker_config(r):
    return '{"auths": {"registry.example.org": {"auth": "' + s(b64(("ci:" + password(r)).encode())) + '"}}}'


@kind("file")
def git_credentials(r):
    return f"https://ci:{s(draw(r, ALNUM, 20))}@git.example.org"


@kind("file")
def shadow(r):
    return "root:" + s("$6$" + draw(r, ALNUM, 16) + "$" + draw(r, ALNUM + "./", 86)) + ":19700:0:99999:7:::"


def luhn(digits):
    total = sum(d if at % 2 else (2 * d - 9 if d > 4 else 2 * d) for at, d in enumerate(map(int, reversed(digits))))
    return digits + str(-total % 10)


@kind("personal")
def credit_card(r):
    start, length = r.choice([("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16)])
    number = luhn(start + draw(r, DIGITS, length - len(start) - 1))
    groups = [4, 6, 5] if length == 15 else [4, 4, 4, 4]
    parts, at = [], 0
    for size in groups:
        parts.append(number[at : at + size])
        at += size
    shown = r.choice([number, " ".join(parts), "-".join(parts)])
    return r.choice(["card {} exp 12/29", "charged {}", '{{"card": "{}"}}', "pan={};", "Number: {}", '{{"pan":{}}}', "GET /pay?card={}&v=1 ok"]).format(s(shown))


@kind("personal")
def iban(r):
    country, length, letters = r.choice([("DE", 22, 0), ("GB", 22, 4), ("FR", 27, 0), ("NL", 18, 4), ("ES", 24, 0), ("CH", 21, 0), ("PL", 28, 0)])
    bban = draw(r, UPPER, letters) + draw(r, DIGITS, length - 4 - letters)
    number = int("".join(str(int(c, 36)) for c in bban + country + "00"))
    plain = f"{country}{98 - number % 97:02}{bban}"
    shown = r.choice([plain, " ".join(plain[at : at + 4] for at in range(0, len(plain), 4))])
    return r.choice(["IBAN {}", "transfer to {}, thanks", '"iban": "{}"']).format(s(shown))


@kind("personal")
def us_ssn(r):
    area = r.choice([n for n in range(1, 900) if n != 666])
    return r.choice(["SSN {}", "ssn: {}", "| {} |", "ssn={};", '"ssn":"{}"']).format(s(f"{area:03}-{r.randint(1, 99):02}-{r.randint(1, 9999):04}"))


@kind("personal")
def email(r):
    who = draw(r, LOWER, 5) + r.choice([".", "_", "-", ""]) + draw(r, LOWER, 6)
    return r.choice(["mail from {} accepted", "user={}", "<{}>", "contact: {}"]).format(s(who + "@" + draw(r, LOWER, 7) + r.choice([".org", ".com", ".co.uk"])))


@kind("personal")
def phone_international(r):
    number = r.choice(["+49 30 {}", "+44 20 {}", "+1 212 {}", "+33 6 {}"]).format(f"{r.randint(200, 999)} {r.randint(1000, 9999)}")
    return r.choice(["call {} now", "phone: {}", "tel={}", '"phone":"{}"']).format(s(number))
